import fc from 'fast-check';
import { InputError } from '#core/errors';
import { compareBytes, concatBytes, fromHex, toHex, uint64le } from './bytes.ts';
import { checkFinite } from './check.ts';

describe('bytes', () => {
  test('hexadecimal round-trips', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => compareBytes(fromHex(toHex(bytes)), bytes) === 0),
    );
  });

  test.each(['0', 'zz', '0x00'])('%s is not hexadecimal', (text) => {
    expect(() => fromHex(text)).toThrow(RangeError);
  });

  test('64-bit numbers are little-endian', () => {
    expect(toHex(uint64le(258))).toBe('0201000000000000');
    expect(() => uint64le(-1)).toThrow(RangeError);
  });

  test('order is lexicographic and a prefix comes first', () => {
    expect(compareBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBeLessThan(0);
    expect(compareBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBeLessThan(0);
    expect(toHex(concatBytes(Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2)))).toBe('0102');
  });
});

describe('checkFinite', () => {
  test('names the index of the first entry that is not finite and not its value', () => {
    expect(() => checkFinite(Float32Array.of(0, Number.NaN, Infinity), 'update')).toThrow(
      InputError,
    );
    expect(() => checkFinite(Float32Array.of(0, Number.NaN), 'update')).toThrow(/entry 1 of 2/);
  });
});
