/**
 * The file that a site seals: the change of exactly the trained tensors, safetensors in float32, in the layout's order.
 *
 * Metadata: `format` = `melo-update/1`, `layout` = the layout hash. The reader trusts nothing: sizes before memory, then names,
 * shapes, number types, finiteness and norm, each refused by name.
 */
import { InputError } from '#core/errors';
import { decodeFloats, firstNonFinite } from './float-codec.ts';
import { tensorView, type AdapterLayout, type TensorPlace } from './layout.ts';
import { encodeSafetensors } from './safetensors-writer.ts';
import { decodeSafetensors, type SafetensorsFile } from './safetensors.ts';
import { resolveTrainedTensors } from './trained-tensors.ts';

const format = 'melo-update/1';
/** Header and metadata of an update: 4096 tensors of 128-letter names stay below it. */
const headerAllowanceBytes = 1024 * 1024;
/** Generous: the adapter of a ViT-B that has learned its task has a norm of about 10. */
const defaultNormMax = 1e4;

/** What both sides know of an update before it arrives. */
interface UpdateShape {
  readonly layout: AdapterLayout;
  /** Names of the tensors that the round trains. */
  readonly trainedTensors: readonly string[];
}

/**
 * Write the change of the trained tensors.
 *
 * @param update - `delta`: local minus global adapter, flat, (P); zero outside `trainedTensors`
 * @returns the file's bytes; the same input gives the same bytes
 * @throws InputError UPDATE_SHAPE_MISMATCH if `delta` is not P long, or a tensor that is not trained has changed
 * @throws InputError NON_FINITE_UPDATE naming the tensor
 * @throws InputError LAYOUT_MISMATCH if a trained tensor is not in the layout
 */
export function encodeUpdate(update: UpdateShape & { readonly delta: Float32Array }): Uint8Array {
  const { layout, delta } = update;
  if (delta.length !== layout.size) {
    throw new InputError(
      'UPDATE_SHAPE_MISMATCH',
      `update: expected ${layout.size} numbers, got ${delta.length}; lay them out by the task's specification`,
      { expected: layout.size, actual: delta.length },
    );
  }
  const trained = new Set(resolveTrainedTensors(update.trainedTensors, layout));
  const tensors = layout.tensors.flatMap(({ name, shape }) => {
    const values = tensorView(layout, delta, name);
    checkTensorFinite(values, name, 'update');
    if (trained.has(name)) return [{ name, shape, values }];
    if (values.every((value) => value === 0)) return [];
    throw new InputError(
      'UPDATE_SHAPE_MISMATCH',
      `update: tensor ${name}: expected no change, the round does not train it; report this as a fault of the trainer`,
      { tensor: name },
    );
  });
  return encodeSafetensors({ tensors, metadata: { format, layout: layout.hash } });
}

/**
 * Read an update that a site sent.
 *
 * @param update - `bytes`: the opened file;
 *   `site`: who sent it, for the message;
 *   `normMax`: bound on the L2 norm over all tensors, > 0; 10,000 by default
 * @returns flat, (P), zero where nothing is trained, a new array
 * @throws InputError SAFETENSORS_INVALID where it is no well-formed safetensors file of this format
 * @throws InputError LAYOUT_MISMATCH if it was made for another layout
 * @throws InputError UPDATE_SHAPE_MISMATCH, TENSOR_MISSING, TENSOR_UNEXPECTED or TENSOR_DTYPE_UNSUPPORTED naming the tensor
 * @throws InputError NON_FINITE_UPDATE naming the tensor
 * @throws InputError UPDATE_NORM_EXCEEDED if the norm is over the bound
 */
export function decodeUpdate(
  update: UpdateShape & {
    readonly bytes: Uint8Array;
    readonly site: string;
    readonly normMax?: number;
  },
): Float32Array {
  const { layout, bytes, normMax = defaultNormMax } = update;
  const where = `update of ${update.site}`;
  const trained = new Set(resolveTrainedTensors(update.trainedTensors, layout));
  const places = layout.tensors.filter(({ name }) => trained.has(name));
  checkSize(bytes.length, places, where);
  const file = decodeSafetensors(bytes);
  checkMetadata(file.metadata, layout, where);
  checkTensors(file, places, where);
  const delta = new Float32Array(layout.size); // (P)
  for (const { name, offset } of places) {
    const tensor = file.tensors.get(name);
    if (tensor === undefined) throw refuse('TENSOR_MISSING', where, name, 'it is missing');
    const values = decodeFloats(tensor.data, tensor.dtype);
    checkTensorFinite(values, name, where);
    delta.set(values, offset);
  }
  checkNorm(delta, normMax, where);
  return delta;
}

function checkSize(bytes: number, places: readonly TensorPlace[], where: string): void {
  const valueBytes = places.reduce((sum, { size }) => sum + 4 * size, 0);
  if (bytes <= valueBytes + headerAllowanceBytes) return; // one that is too short lacks a tensor, which is named later
  throw new InputError(
    'UPDATE_SHAPE_MISMATCH',
    `${where}: expected ${valueBytes} bytes of values and a header of ${headerAllowanceBytes} at most, got ${bytes} bytes; check that both sides run the same task`,
    { expected: valueBytes, actual: bytes },
  );
}

function checkMetadata(
  metadata: Readonly<Record<string, string>>,
  layout: AdapterLayout,
  where: string,
): void {
  if (metadata.format !== format) {
    throw new InputError(
      'SAFETENSORS_INVALID',
      `${where}: expected format ${format} in its metadata; send what the trainer wrote`,
    );
  }
  if (metadata.layout !== layout.hash) {
    throw new InputError(
      'LAYOUT_MISMATCH',
      `${where}: expected layout ${layout.hash.slice(0, 16)}..., it was made for another; check that both sides run the same task`,
      { expected: layout.hash },
    );
  }
}

function checkTensors(file: SafetensorsFile, places: readonly TensorPlace[], where: string): void {
  const expected = new Set(places.map(({ name }) => name));
  for (const name of file.tensors.keys()) {
    if (!expected.has(name)) {
      throw refuse('TENSOR_UNEXPECTED', where, name.slice(0, 128), 'the round does not train it');
    }
  }
  for (const { name, shape } of places) {
    const tensor = file.tensors.get(name);
    if (tensor === undefined) throw refuse('TENSOR_MISSING', where, name, 'it is missing');
    if (tensor.shape.join() !== shape.join()) {
      const what = `expected [${shape.join(', ')}], got [${tensor.shape.join(', ')}]`;
      throw refuse('UPDATE_SHAPE_MISMATCH', where, name, what);
    }
    if (tensor.dtype !== 'F32') {
      throw refuse('TENSOR_DTYPE_UNSUPPORTED', where, name, `expected F32, got ${tensor.dtype}`);
    }
  }
}

function refuse(
  code:
    'TENSOR_MISSING' | 'TENSOR_UNEXPECTED' | 'UPDATE_SHAPE_MISMATCH' | 'TENSOR_DTYPE_UNSUPPORTED',
  where: string,
  tensor: string,
  what: string,
): InputError {
  return new InputError(
    code,
    `${where}: tensor ${tensor}: ${what}; check that both sides run the same task and release`,
    { tensor },
  );
}

function checkTensorFinite(values: Float32Array, tensor: string, where: string): void {
  const index = firstNonFinite(values);
  if (index < 0) return;
  throw new InputError(
    'NON_FINITE_UPDATE',
    `${where}: tensor ${tensor}: expected finite numbers, entry ${index} of ${values.length} is not; train again with a lower learning rate`,
    { tensor, index },
  );
}

function checkNorm(delta: Float32Array, normMax: number, where: string): void {
  let sum = 0; // float64
  for (const value of delta) sum += value * value;
  if (Math.sqrt(sum) <= normMax) return;
  throw new InputError(
    'UPDATE_NORM_EXCEEDED',
    `${where}: expected an L2 norm of ${normMax} at most, it is over that; train again with a lower learning rate`,
    { normMax },
  );
}
