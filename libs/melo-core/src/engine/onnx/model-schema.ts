/**
 * The part of ONNX's protobuf schema that a graph of ours needs, and its encoder.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (field numbers are copied from there)
 */
import protobuf from 'protobufjs';

const schema = `
syntax = "proto3";
package onnx;
message StringStringEntryProto { string key = 1; string value = 2; }
message Dimension { int64 dim_value = 1; string dim_param = 2; }
message TensorShapeProto { repeated Dimension dim = 1; }
message TensorTypeProto { int32 elem_type = 1; TensorShapeProto shape = 2; }
message TypeProto { TensorTypeProto tensor_type = 1; }
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message TensorProto {
  repeated int64 dims = 1;
  int32 data_type = 2;
  string name = 8;
  bytes raw_data = 9;
  repeated StringStringEntryProto external_data = 13;
  int32 data_location = 14;
}
message AttributeProto {
  string name = 1;
  float f = 2;
  int64 i = 3;
  repeated int64 ints = 8;
  int32 type = 20;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  string name = 3;
  string op_type = 4;
  repeated AttributeProto attribute = 5;
  string domain = 7;
}
message GraphProto {
  repeated NodeProto node = 1;
  string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message ModelProto {
  int64 ir_version = 1;
  string producer_name = 2;
  GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
}`;

/** `TensorProto.DataType`: the number types we use. */
export const tensorDataType = { float: 1, int64: 7 } as const;
/** `AttributeProto.AttributeType`: the kinds we use. */
export const attributeType = { float: 1, int: 2, ints: 7 } as const;
/** `TensorProto.DataLocation.EXTERNAL`. */
export const externalDataLocation = 1;

/** A number, or the name of an axis that is free. */
export type Dimension = number | string;

/** One attribute of a node. */
export interface AttributeProto {
  readonly name: string;
  readonly type: number;
  readonly f?: number;
  readonly i?: number;
  readonly ints?: readonly number[];
}

/** One operator. */
export interface NodeProto {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly AttributeProto[];
}

/** A constant: bytes in the graph's own file, or a range of a file beside it. */
export interface TensorProto {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData?: Uint8Array;
  readonly externalData?: readonly { readonly key: string; readonly value: string }[];
  readonly dataLocation?: number;
}

/** An input or output: name and float32 shape. */
export interface ValueInfo {
  readonly name: string;
  readonly dimensions: readonly Dimension[];
}

/** What {@link encodeModel} writes. */
export interface GraphParts {
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

const modelType = protobuf.parse(schema).root.lookupType('onnx.ModelProto');

function valueInfoProto({ name, dimensions }: ValueInfo): object {
  const dim = dimensions.map((size) =>
    typeof size === 'string' ? { dimParam: size } : { dimValue: size },
  );
  return { name, type: { tensorType: { elemType: tensorDataType.float, shape: { dim } } } };
}

/**
 * Encode a graph as an ONNX file: IR version 9, operator set 20, and onnxruntime's own operators, version 1.
 *
 * @param parts - nodes in an order that can be run; every name once
 * @returns the file's bytes, equal for equal parts
 */
export function encodeModel(parts: GraphParts): Uint8Array {
  const model = modelType.create({
    irVersion: 9,
    producerName: 'melo-federation',
    opsetImport: [
      { domain: '', version: 20 },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: {
      name: 'melo',
      node: parts.nodes,
      initializer: parts.initializers,
      input: parts.inputs.map(valueInfoProto),
      output: parts.outputs.map(valueInfoProto),
    },
  });
  return modelType.encode(model).finish();
}
