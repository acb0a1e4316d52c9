import { checkFinite, checkInteger, checkLength, checkPositive } from './check.ts';

const range = { minimum: 1, maximum: 3 };

describe('checkPositive', () => {
  test.each([Number.MIN_VALUE, 1, Number.MAX_VALUE])('%d is returned as it is', (value) => {
    expect(checkPositive(value, 'rate')).toBe(value);
  });

  test.each([0, -0, -1, NaN, Infinity, -Infinity])('%d is refused by name', (value) => {
    expect(() => checkPositive(value, 'rate')).toThrow(/^rate: expected a positive finite number/);
  });
});

describe('checkInteger', () => {
  test.each([1, 2, 3])('%d lies in the range, both ends included', (value) => {
    expect(checkInteger(value, 'rank', range)).toBe(value);
  });

  test.each([0, 4, 1.5, NaN, Infinity, 2 ** 53])('%d is refused by name', (value) => {
    expect(() =>
      checkInteger(value, 'rank', { ...range, maximum: value > 4 ? 2 ** 60 : 3 }),
    ).toThrow(/^rank: expected a whole number from 1/);
  });
});

describe('checkFinite', () => {
  test('finite values come back as the same array', () => {
    const values = Float32Array.from([0, -1.5, 3.4e38]);
    expect(checkFinite(values, 'update')).toBe(values);
    expect(checkFinite(new Float64Array(0), 'update')).toHaveLength(0);
  });

  test.each([NaN, Infinity, -Infinity])('%d is refused with its index', (value) => {
    for (const index of [0, 1, 2]) {
      const values = new Float64Array(3);
      values[index] = value;
      expect(() => checkFinite(values, 'update')).toThrow(
        expect.objectContaining({ code: 'NON_FINITE_UPDATE', details: { index, length: 3 } }),
      );
    }
  });

  test('the message names the index, never the numbers', () => {
    const values = Float64Array.from([0.123456, NaN]);
    expect(() => checkFinite(values, 'update')).toThrow(/entry 1 of 2/);
    expect(() => checkFinite(values, 'update')).not.toThrow(/0\.123456/);
  });
});

describe('checkLength', () => {
  test('the exact length is returned, one more or less is refused', () => {
    const values = new Float32Array(4);
    expect(checkLength(values, 4, 'update')).toBe(values);
    for (const length of [3, 5]) {
      expect(() => checkLength(values, length, 'update')).toThrow(
        expect.objectContaining({
          code: 'UPDATE_SHAPE_MISMATCH',
          details: { expected: length, actual: 4 },
        }),
      );
    }
  });
});
