/**
 * Builds an ONNX graph operator by operator; values are names, constants are made once.
 *
 * Only what the graphs beside this file use is here. Constants are little-endian, as ONNX asks; so is every machine that
 * onnxruntime-node has a binary for.
 */
import { assert } from '#core/errors';
import {
  attributeType,
  encodeModel,
  externalDataLocation,
  tensorDataType,
  type AttributeProto,
  type Dimension,
  type NodeProto,
  type TensorProto,
  type ValueInfo,
} from './model-schema.ts';

/** The name of a value in a graph. */
export type Value = string;

/** An attribute's value: whole numbers and floats are told apart by the key, since JavaScript does not. */
export type Attribute =
  { readonly int: number } | { readonly float: number } | { readonly ints: readonly number[] };

/** Attributes of an operator by name. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** A range of the weights file. */
export interface WeightRange {
  /** The file's name, in the folder of the graph's own file. */
  readonly file: string;
  /** Bytes from its start. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

const microsoft = 'com.microsoft';

function attributeProto(name: string, attribute: Attribute): AttributeProto {
  if ('int' in attribute) return { name, type: attributeType.int, i: attribute.int };
  if ('float' in attribute) return { name, type: attributeType.float, f: attribute.float };
  return { name, type: attributeType.ints, ints: attribute.ints };
}

/** A graph under construction. */
export class GraphBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers = new Map<string, TensorProto>();
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  #valueCount = 0;

  /** Declare a float32 input. */
  input(name: string, dimensions: readonly Dimension[]): Value {
    this.#inputs.push({ name, dimensions });
    return name;
  }

  /** Give a value out under a name. */
  output(name: string, value: Value, dimensions: readonly Dimension[]): void {
    this.#add('Identity', [value], {}, [name], '');
    this.#outputs.push({ name, dimensions });
  }

  /** Add an operator with one output. */
  op(opType: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.#single(opType, inputs, attributes, '');
  }

  /** Add one of onnxruntime's own operators with one output. */
  fusedOp(opType: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.#single(opType, inputs, attributes, microsoft);
  }

  /** Add an operator with several outputs. */
  ops(
    opType: string,
    inputs: readonly Value[],
    attributes: Attributes,
    outputCount: number,
  ): Value[] {
    const outputs = Array.from({ length: outputCount }, () => this.#newName());
    this.#add(opType, inputs, attributes, outputs, '');
    return outputs;
  }

  /** Declare a frozen weight that stays in its file; `shape` may group the same numbers differently than the file does. */
  weight(name: string, shape: readonly number[], range: WeightRange): Value {
    const bytes = 4 * shape.reduce((product, size) => product * size, 1);
    assert(
      range.length === bytes,
      `graph weight ${name}: expected ${bytes} bytes, got ${range.length}`,
    );
    return this.#initializer({
      name,
      dims: shape,
      dataType: tensorDataType.float,
      dataLocation: externalDataLocation,
      externalData: [
        { key: 'location', value: range.file },
        { key: 'offset', value: String(range.offset) },
        { key: 'length', value: String(range.length) },
      ],
    });
  }

  /** A float32 scalar constant. */
  scalar(value: number): Value {
    const rawData = new Uint8Array(Float32Array.of(value).buffer);
    return this.#initializer({
      name: `scalar_${value}`,
      dims: [],
      dataType: tensorDataType.float,
      rawData,
    });
  }

  /** A float32 table constant, made once under its name. */
  floats(name: string, values: Float32Array, shape: readonly number[]): Value {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.#initializer({ name, dims: shape, dataType: tensorDataType.float, rawData });
  }

  /** A constant row of whole numbers: axes, shapes, sizes. */
  integers(values: readonly number[]): Value {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#initializer({
      name: `integers_${values.join('_')}`,
      dims: [values.length],
      dataType: tensorDataType.int64,
      rawData,
    });
  }

  /** Encode the graph as an ONNX file. */
  encode(): Uint8Array {
    return encodeModel({
      nodes: this.#nodes,
      initializers: [...this.#initializers.values()],
      inputs: this.#inputs,
      outputs: this.#outputs,
    });
  }

  #newName(): Value {
    this.#valueCount += 1;
    return `value_${this.#valueCount}`;
  }

  #initializer(tensor: TensorProto): Value {
    if (!this.#initializers.has(tensor.name)) this.#initializers.set(tensor.name, tensor);
    return tensor.name;
  }

  #single(opType: string, inputs: readonly Value[], attributes: Attributes, domain: string): Value {
    const output = this.#newName();
    this.#add(opType, inputs, attributes, [output], domain);
    return output;
  }

  #add(
    opType: string,
    input: readonly Value[],
    attributes: Attributes,
    output: readonly Value[],
    domain: string,
  ): void {
    const attribute = Object.entries(attributes).map(([name, value]) =>
      attributeProto(name, value),
    );
    this.#nodes.push({
      name: `node_${this.#nodes.length}`,
      opType,
      domain,
      input,
      output,
      attribute,
    });
  }
}
