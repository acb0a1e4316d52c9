/**
 * The safetensors reader: an 8-byte little-endian header length, a JSON header, then the tensors end to end.
 *
 * The reader is stricter than a plain `JSON.parse`: repeated names, gaps, overlaps and trailing bytes are refused, so that no
 * two readers can see two different files in the same bytes. The writer is in safetensors-writer.ts.
 *
 * @see https://github.com/huggingface/safetensors, "Format"
 */
import { z } from 'zod';
import { fromUtf8 } from '#core/bytes';
import { InputError } from '#core/errors';
import { dtypeBytes, isSafetensorsDtype, type SafetensorsDtype } from './float-codec.ts';
import { findRepeatedKey } from './json-keys.ts';
import { shapeSize } from './layout.ts';

/** Bytes of the JSON header at most. */
const headerBytesMax = 16 * 1024 * 1024;
/** Tensors in one file at most. */
const tensorCountMax = 100_000;
const nameLengthMax = 1024;
/** The header's key that is no tensor. */
export const metadataKey = '__metadata__';
const refusedNames: ReadonlySet<string> = new Set(['__proto__', 'prototype', 'constructor']);

/** Where one tensor lies in the file. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** What a header says. */
export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** One tensor of a decoded file. */
export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Little-endian elements; shares its memory with the file's bytes. */
  readonly data: Uint8Array;
}

/** A whole file, decoded. */
export interface SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
}

const entrySchema = z.strictObject({
  dtype: z.string().max(16),
  shape: z.array(z.number().int().min(0)).max(8),
  data_offsets: z.tuple([z.number().int().min(0), z.number().int().min(0)]),
});
const metadataSchema = z.record(z.string(), z.string());

function invalid(what: string, details: Record<string, string | number> = {}): InputError {
  return new InputError(
    'SAFETENSORS_INVALID',
    `safetensors: ${what}; fetch or write the file again`,
    details,
  );
}

/**
 * Read the header's length from a file's first 8 bytes.
 *
 * @param prefix   - the file's first 8 bytes
 * @param fileSize - bytes in the whole file
 * @returns bytes of the JSON header, which follows at offset 8
 * @throws InputError SAFETENSORS_INVALID where the file is too short for it or it is over 16 MiB
 */
export function safetensorsHeaderLength(prefix: Uint8Array, fileSize: number): number {
  if (prefix.length < 8 || fileSize < 8) throw invalid(`expected 8 bytes or more, got ${fileSize}`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, 8);
  const length = Number(view.getBigUint64(0, true));
  if (length > headerBytesMax) {
    throw invalid(`expected a header of ${headerBytesMax} bytes at most, it claims ${length}`);
  }
  if (length > fileSize - 8) {
    throw invalid(`expected a header of ${length} bytes, the file has ${fileSize} bytes in all`);
  }
  return length;
}

/**
 * Parse and check a header.
 *
 * @param headerBytes - the JSON header, without its 8-byte length
 * @param fileSize    - bytes in the whole file
 * @throws InputError SAFETENSORS_INVALID on anything but tensors that fill the file end to end, each named once
 * @throws InputError TENSOR_DTYPE_UNSUPPORTED where a number type is not known
 */
export function parseSafetensorsHeader(
  headerBytes: Uint8Array,
  fileSize: number,
): SafetensorsHeader {
  if (headerBytes.length > headerBytesMax) {
    throw invalid(
      `expected a header of ${headerBytesMax} bytes at most, got ${headerBytes.length}`,
    );
  }
  const entries = Object.entries(parseHeaderJson(headerBytes));
  if (entries.length > tensorCountMax) {
    throw invalid(`expected ${tensorCountMax} tensors at most, got ${entries.length}`);
  }
  let metadata: Record<string, string> = {};
  const tensors = new Map<string, SafetensorsEntry>();
  const dataStart = 8 + headerBytes.length;
  for (const [name, value] of entries) {
    if (name === metadataKey) metadata = parseMetadata(value);
    else tensors.set(checkName(name), parseEntry(name, value, dataStart));
  }
  checkCoverage(tensors, dataStart, fileSize);
  return { metadata, tensors };
}

function parseHeaderJson(headerBytes: Uint8Array): object {
  let text: string;
  let value: unknown;
  try {
    text = fromUtf8(headerBytes);
    value = JSON.parse(text);
  } catch {
    throw invalid('expected a header of JSON in UTF-8, got other bytes'); // the cause would quote the file
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('expected a header that is a JSON object');
  }
  const repeated = findRepeatedKey(text);
  if (repeated !== null) throw invalid(`expected every name once, ${quote(repeated)} is repeated`);
  return value;
}

function parseMetadata(value: unknown): Record<string, string> {
  const parsed = metadataSchema.safeParse(value);
  if (!parsed.success) throw invalid(`expected ${metadataKey} to map text to text`);
  for (const name of Object.keys(parsed.data)) checkName(name);
  return parsed.data;
}

/**
 * Return `name` if a tensor or a metadata key may have it.
 *
 * @throws InputError SAFETENSORS_INVALID if it is empty, too long or a name of a prototype
 */
export function checkName(name: string): string {
  if (name.length === 0 || name.length > nameLengthMax || refusedNames.has(name)) {
    throw invalid(`expected a plain name of 1 to ${nameLengthMax} characters, got ${quote(name)}`);
  }
  return name;
}

/** A name as a message may show it: short and on one line. */
function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

function parseEntry(name: string, value: unknown, dataStart: number): SafetensorsEntry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.') ?? '';
    throw invalid(
      `tensor ${quote(name)}: expected dtype, shape and data_offsets, ${field || 'it'} does not fit`,
      { name },
    );
  }
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  if (!isSafetensorsDtype(dtype)) {
    throw new InputError(
      'TENSOR_DTYPE_UNSUPPORTED',
      `tensor ${quote(name)}: expected a known number type, got ${dtype}; convert the file to float32`,
      { name, dtype },
    );
  }
  const [start, end] = offsets;
  const length = shapeSize(shape) * dtypeBytes[dtype];
  if (!Number.isSafeInteger(length) || end - start !== length) {
    throw invalid(
      `tensor ${quote(name)}: expected ${length} bytes for shape [${shape.join(', ')}] of ${dtype}, its offsets span ${end - start}`,
      { name },
    );
  }
  return { dtype, shape, offset: dataStart + start, length };
}

/** Check that the tensors fill the file from the header's end to the last byte, without gap or overlap. */
function checkCoverage(
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  dataStart: number,
  fileSize: number,
): void {
  const byPlace = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  let position = dataStart;
  for (const [name, { offset, length }] of byPlace) {
    if (offset < position)
      throw invalid(`tensor ${quote(name)} overlaps the one before it`, { name });
    if (offset > position)
      throw invalid(`tensor ${quote(name)} leaves a gap of ${offset - position} bytes before it`, {
        name,
      });
    position = offset + length;
    if (position > fileSize) {
      throw invalid(
        `tensor ${quote(name)} ends at byte ${position}, the file has ${fileSize}: it is truncated`,
        { name },
      );
    }
  }
  if (position !== fileSize) {
    throw invalid(
      `expected ${position} bytes, got ${fileSize}: there are bytes after the last tensor`,
    );
  }
}

/**
 * Decode a whole file.
 *
 * @param bytes - the file; the tensors share its memory
 * @throws InputError SAFETENSORS_INVALID or TENSOR_DTYPE_UNSUPPORTED, as {@link parseSafetensorsHeader}
 */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsFile {
  const headerLength = safetensorsHeaderLength(bytes.subarray(0, 8), bytes.length);
  const header = parseSafetensorsHeader(bytes.subarray(8, 8 + headerLength), bytes.length);
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, { dtype, shape, offset, length }] of header.tensors) {
    tensors.set(name, { dtype, shape, data: bytes.subarray(offset, offset + length) });
  }
  return { metadata: header.metadata, tensors };
}
