/**
 * The native adapter file: safetensors with every tensor of the layout as float32, and the card as metadata.
 *
 * Metadata: `format` = `melo-adapter/1`, `card` = canonical JSON. One version has one sequence of bytes, and so one digest.
 */
import { canonicalJson, toHex } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { InputError } from '#core/errors';
import { adapterCardSchema, specificationOf, type AdapterCard } from './card.ts';
import { decodeFloats, firstNonFinite } from './float-codec.ts';
import { findRepeatedKey } from './json-keys.ts';
import { adapterLayout, type AdapterLayout, type TensorPlace } from './layout.ts';
import { encodeSafetensors } from './safetensors-writer.ts';
import { decodeSafetensors, type SafetensorsFile } from './safetensors.ts';
import type { AdapterSpecification } from './specification.ts';

const format = 'melo-adapter/1';

/** A decoded adapter file. */
export interface AdapterFile {
  readonly specification: AdapterSpecification;
  readonly layout: AdapterLayout;
  /** Flat, (P) in the layout's order, finite. */
  readonly values: Float32Array;
  readonly card: AdapterCard;
}

function invalid(what: string, details: Record<string, string> = {}): InputError {
  return new InputError(
    'ADAPTER_INVALID',
    `adapter file: ${what}; fetch or export the adapter again`,
    details,
  );
}

/**
 * Write an adapter file; the same input gives the same bytes.
 *
 * @param file - `values`: flat, (P) in the layout's order
 * @returns the file's bytes
 * @throws InputError ADAPTER_INVALID if the card describes another specification
 * @throws InputError UPDATE_SHAPE_MISMATCH or NON_FINITE_UPDATE naming the tensor
 */
export function encodeAdapterFile(file: {
  readonly specification: AdapterSpecification;
  readonly values: Float32Array;
  readonly card: AdapterCard;
}): Uint8Array {
  const { specification, values } = file;
  const card = adapterCardSchema.parse(file.card);
  const layout = adapterLayout(specification);
  checkCard(card, specification, layout);
  if (values.length !== layout.size) {
    throw new InputError(
      'UPDATE_SHAPE_MISMATCH',
      `adapter file: expected ${layout.size} values, got ${values.length}; lay them out by the specification`,
      { expected: layout.size, actual: values.length },
    );
  }
  const tensors = layout.tensors.map(({ name, shape, offset, size }) => {
    const part = values.subarray(offset, offset + size);
    checkTensorFinite(part, name);
    return { name, shape, values: part };
  });
  return encodeSafetensors({ tensors, metadata: { format, card: canonicalJson(card) } });
}

/**
 * Read an adapter file and check it through and through.
 *
 * @param bytes - the file
 * @throws InputError SAFETENSORS_INVALID where it is no well-formed safetensors file
 * @throws InputError ADAPTER_INVALID where the card is missing, damaged or of another format, or a tensor is not float32
 * @throws InputError LAYOUT_MISMATCH naming the tensor that is missing, unexpected or of another shape
 * @throws InputError NON_FINITE_UPDATE naming the tensor
 */
export function decodeAdapterFile(bytes: Uint8Array): AdapterFile {
  const file = decodeSafetensors(bytes);
  const card = parseCard(file.metadata);
  const specification = specificationOf(card);
  const layout = adapterLayout(specification);
  checkCard(card, specification, layout);
  const values = new Float32Array(checkTensors(file, layout)); // (P)
  for (const place of layout.tensors) values.set(readTensor(file, place), place.offset);
  return { specification, layout, values, card };
}

/** Digest an adapter file: 64 hexadecimal digits of BLAKE2b-256 over its bytes. */
export function adapterDigest(bytes: Uint8Array): string {
  return toHex(blake2b256(bytes));
}

function parseCard(metadata: Readonly<Record<string, string>>): AdapterCard {
  const { format: given, card: text } = metadata;
  if (given !== format) throw invalid(`expected format ${format} in its metadata`);
  if (text === undefined) throw invalid('expected a card in its metadata, there is none');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('expected a card in JSON');
  }
  if (findRepeatedKey(text) !== null) throw invalid('expected every field of the card once');
  const parsed = adapterCardSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') || 'card';
  throw invalid(`field ${field} of the card does not fit ${format}`, { field });
}

function checkCard(
  card: AdapterCard,
  specification: AdapterSpecification,
  layout: AdapterLayout,
): void {
  const described = specificationOf(card);
  if (card.scale !== specification.scale || described.alpha !== specification.alpha) {
    throw invalid('expected the scale of the card to be alpha / rank, and that of the values', {
      field: 'scale',
    });
  }
  if (canonicalJson(described.classes) !== canonicalJson(specification.classes)) {
    throw invalid('expected the classes of the card to be those of the values', {
      field: 'classes',
    });
  }
  if (card.layoutHash !== layout.hash) {
    throw new InputError(
      'LAYOUT_MISMATCH',
      'adapter file: expected the layout hash of the rank, classes and backbone that the card names, it has another; export the adapter again',
      { expected: layout.hash, actual: card.layoutHash },
    );
  }
}

/** Check names and shapes before anything is allocated; returns how many numbers there are, P. */
function checkTensors(file: SafetensorsFile, layout: AdapterLayout): number {
  for (const { name, shape } of layout.tensors) {
    const tensor = file.tensors.get(name);
    if (tensor === undefined) throw layoutMismatch(name, 'is missing');
    if (tensor.shape.join() !== shape.join()) {
      throw layoutMismatch(
        name,
        `should be [${shape.join(', ')}] and is [${tensor.shape.join(', ')}]`,
      );
    }
    if (tensor.dtype !== 'F32') {
      throw invalid(`tensor ${name}: expected F32, got ${tensor.dtype}`, { tensor: name });
    }
  }
  const known = new Set(layout.tensors.map(({ name }) => name));
  for (const name of file.tensors.keys()) {
    if (!known.has(name)) throw layoutMismatch(name.slice(0, 128), 'does not belong to it');
  }
  return layout.size;
}

function layoutMismatch(tensor: string, what: string): InputError {
  return new InputError(
    'LAYOUT_MISMATCH',
    `adapter file: expected exactly the tensors of the layout, ${tensor} ${what}; export the adapter again`,
    { tensor },
  );
}

function readTensor(file: SafetensorsFile, place: TensorPlace): Float32Array {
  const tensor = file.tensors.get(place.name);
  if (tensor === undefined) throw layoutMismatch(place.name, 'is missing');
  const values = decodeFloats(tensor.data, tensor.dtype);
  checkTensorFinite(values, place.name);
  return values;
}

function checkTensorFinite(values: Float32Array, tensor: string): void {
  const index = firstNonFinite(values);
  if (index < 0) return;
  throw new InputError(
    'NON_FINITE_UPDATE',
    `adapter file: tensor ${tensor}: expected finite numbers, entry ${index} of ${values.length} is not; train again with a lower learning rate`,
    { tensor, index },
  );
}
