/**
 * A checkpoint as bytes, with a digest: damaged or foreign ones are refused, never half used.
 *
 * Layout: `MELOCKP1` (8), LE64 length of the JSON state, the state in UTF-8, then values, first and second moment as LE
 * float32 (P each), last BLAKE2b-256 (32) over all that stands before it.
 */
import { decodeFloats, encodeFloats } from '#core/adapter';
import { canonicalJson, concatBytes, fromUtf8, toHex, uint64le, utf8 } from '#core/bytes';
import { checkLength } from '#core/check';
import { blake2b256 } from '#core/crypto';
import { StateError } from '#core/errors';
import { trainingCheckpointStateSchema } from './types.ts';
import type { TrainingCheckpoint } from './types.ts';

const magic = utf8('MELOCKP1');
const headerBytes = magic.length + 8;
const digestBytes = 32;
/** Largest JSON state, bytes; a seed of 1,024 bytes fits several times. */
const stateBytesMax = 16_384;

/**
 * Write a checkpoint as bytes.
 *
 * @param checkpoint - three arrays of one length
 * @returns new bytes, equal for equal checkpoints
 */
export function encodeCheckpoint(checkpoint: TrainingCheckpoint): Uint8Array {
  const { values, firstMoment, secondMoment } = checkpoint;
  checkLength(firstMoment, values.length, 'first moment');
  checkLength(secondMoment, values.length, 'second moment');
  const state = utf8(canonicalJson(checkpoint.state));
  const arrays = [values, firstMoment, secondMoment].map((array) => encodeFloats(array, 'F32'));
  const body = concatBytes(magic, uint64le(state.length), state, ...arrays);
  return concatBytes(body, blake2b256(body));
}

/**
 * Read a checkpoint.
 *
 * @param bytes - what {@link encodeCheckpoint} wrote
 * @param size - P, numbers of the adapter it must be for
 * @throws StateError CHECKPOINT_INVALID if the bytes are damaged, truncated or for another size
 */
export function decodeCheckpoint(bytes: Uint8Array, size: number): TrainingCheckpoint {
  if (bytes.length < headerBytes + digestBytes) throw invalid('more bytes', bytes.length);
  const body = bytes.subarray(0, bytes.length - digestBytes);
  if (toHex(blake2b256(body)) !== toHex(bytes.subarray(body.length))) {
    throw invalid('bytes with their own digest', bytes.length);
  }
  const stateLength = stateBytes(body);
  const start = headerBytes + stateLength;
  if (body.length !== start + 12 * size) {
    throw invalid(`three arrays of ${size} numbers`, bytes.length);
  }
  const array = (index: number): Float32Array => {
    const from = start + index * 4 * size;
    return decodeFloats(body.slice(from, from + 4 * size), 'F32');
  };
  const state = parseState(body.subarray(headerBytes, start));
  return { state, values: array(0), firstMoment: array(1), secondMoment: array(2) };
}

function stateBytes(body: Uint8Array): number {
  if (toHex(body.subarray(0, magic.length)) !== toHex(magic)) {
    throw invalid('a checkpoint of this version', body.length);
  }
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const length = Number(view.getBigUint64(magic.length, true));
  if (length > stateBytesMax || headerBytes + length > body.length) {
    throw invalid(`a state of at most ${stateBytesMax} bytes`, body.length);
  }
  return length;
}

function parseState(bytes: Uint8Array): TrainingCheckpoint['state'] {
  try {
    return trainingCheckpointStateSchema.parse(JSON.parse(fromUtf8(bytes)));
  } catch (cause) {
    throw invalid('a state of this version', bytes.length, cause);
  }
}

function invalid(expected: string, bytes: number, cause?: unknown): StateError {
  return new StateError(
    'CHECKPOINT_INVALID',
    `checkpoint: expected ${expected}, got ${bytes} bytes that are not; train this round from its start`,
    { bytes },
    cause === undefined ? undefined : { cause },
  );
}
