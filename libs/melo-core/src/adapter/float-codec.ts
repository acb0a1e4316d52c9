/**
 * Number types of safetensors files: how many bytes each takes, and float16 and bfloat16 to and from float32.
 *
 * Files are little-endian, and so is every machine this project runs on; {@link decodeFloats} checks it.
 */
import { assert, InputError } from '#core/errors';

/** Bytes of one element. @see https://github.com/huggingface/safetensors (format) */
export const dtypeBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const satisfies Record<string, number>;

/** A number type that a safetensors header may name. */
export type SafetensorsDtype = keyof typeof dtypeBytes;

/** Number types that are widened to float32 without loss. */
export type FloatDtype = 'F32' | 'F16' | 'BF16';

const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Tell whether a header's number type is one of those known here. */
export function isSafetensorsDtype(text: string): text is SafetensorsDtype {
  return Object.hasOwn(dtypeBytes, text);
}

/** Tell whether a number type can be read as float32. */
export function isFloatDtype(dtype: string): dtype is FloatDtype {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

/**
 * Read numbers as float32; every value of the narrower types is exact.
 *
 * @param bytes - little-endian elements, any alignment
 * @param dtype - how they are stored
 * @returns a new array
 * @throws InputError TENSOR_DTYPE_UNSUPPORTED for a type other than F32, F16 and BF16
 * @throws InputError SAFETENSORS_INVALID where the length is not whole elements
 */
export function decodeFloats(bytes: Uint8Array, dtype: string): Float32Array {
  if (!isFloatDtype(dtype)) {
    throw new InputError(
      'TENSOR_DTYPE_UNSUPPORTED',
      `tensor: expected F32, F16 or BF16, got ${dtype}; convert the file to float32`,
      { dtype },
    );
  }
  assert(isLittleEndian, 'decodeFloats: expected a little-endian machine');
  const width = dtypeBytes[dtype];
  if (bytes.length % width !== 0) {
    throw new InputError(
      'SAFETENSORS_INVALID',
      `tensor: expected whole ${dtype} elements of ${width} bytes, got ${bytes.length} bytes; fetch the file again`,
      { dtype, bytes: bytes.length },
    );
  }
  if (dtype === 'F32') {
    const values = new Float32Array(bytes.length / 4);
    new Uint8Array(values.buffer).set(bytes); // a copy, since the file's offset may not be a multiple of 4
    return values;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const widen = dtype === 'BF16' ? bfloat16Bits : float16Bits;
  const bits = new Uint32Array(bytes.length / 2);
  for (let index = 0; index < bits.length; index++) {
    bits[index] = widen(view.getUint16(2 * index, true));
  }
  return new Float32Array(bits.buffer);
}

/**
 * Write float32 numbers as little-endian elements, rounding to nearest, ties to even.
 *
 * @param values - finite
 * @returns a new array
 */
export function encodeFloats(values: Float32Array, dtype: FloatDtype): Uint8Array {
  assert(isLittleEndian, 'encodeFloats: expected a little-endian machine');
  const source = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (dtype === 'F32') return source.slice();
  const bits = new Uint32Array(source.slice().buffer);
  const narrow = dtype === 'BF16' ? (word: number): number => roundShift(word, 16) : halfOf;
  const halves = new Uint16Array(bits.length);
  for (let index = 0; index < bits.length; index++) halves[index] = narrow(bits[index] ?? 0);
  return new Uint8Array(halves.buffer);
}

/**
 * Find the first number that is NaN or infinite.
 *
 * @param values - any shape, row-major
 * @returns its index, or -1 where all are finite
 */
export function firstNonFinite(values: Float32Array): number {
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0;
    if (value - value !== 0) return index; // NaN for infinities and NaN: no call in a loop over a whole backbone
  }
  return -1;
}

/** bfloat16 is the upper half of a float32. */
function bfloat16Bits(half: number): number {
  return (half << 16) >>> 0;
}

/** Widen an IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits) to binary32, bit by bit. */
function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0; // infinity, NaN
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  const shift = Math.clz32(fraction) - 21; // subnormal: fraction * 2^-24, brought to 1.f * 2^e
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

/** Narrow a finite binary32 to binary16; what is too large becomes infinity. */
function halfOf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 0xff) - 112;
  const fraction = word & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent > 0) return sign | roundShift((exponent << 23) | fraction, 13); // a carry raises the exponent
  if (exponent < -10) return sign; // below half of the smallest subnormal
  return sign | roundShift(fraction | 0x800000, 14 - exponent);
}

/** Shift right by `places`, rounding to nearest, ties to even. */
function roundShift(word: number, places: number): number {
  const unit = 2 ** places;
  const quotient = Math.floor(word / unit);
  const rest = word - quotient * unit;
  const isUp = rest > unit / 2 || (rest === unit / 2 && quotient % 2 === 1);
  return quotient + (isUp ? 1 : 0);
}
