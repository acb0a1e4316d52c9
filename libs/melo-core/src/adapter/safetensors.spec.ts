import fc from 'fast-check';
import { concatBytes, toHex, uint64le, utf8 } from '#core/bytes';
import { MeloError } from '#core/errors';
import {
  decodeFloats,
  decodeSafetensors,
  encodeFloats,
  encodeSafetensors,
  findRepeatedKey,
  parseSafetensorsHeader,
  safetensorsHeaderLength,
} from './index.ts';

/** A file with this header text and so many bytes of data. */
const fileOf = (header: string, dataBytes: number): Uint8Array => {
  const json = utf8(header);
  return concatBytes(uint64le(json.length), json, new Uint8Array(dataBytes));
};
const entry = (dtype: string, shape: unknown, offsets: unknown): string =>
  JSON.stringify({ dtype, shape, data_offsets: offsets });
/** Expect a refusal as malformed, with this in its message. */
const expectInvalid = (act: () => unknown, text: string): void => {
  expect(act).toThrow(
    expect.objectContaining({
      code: 'SAFETENSORS_INVALID',
      message: expect.stringContaining(text),
    }),
  );
};
const refusedNames: readonly string[] = ['__metadata__', '__proto__', 'constructor', 'prototype'];

describe('writing', () => {
  test('the bytes are those of the format, header padded to 8, tensors in the given order', () => {
    const bytes = encodeSafetensors({
      tensors: [
        { name: 'b', shape: [2], values: new Float32Array([1, -2]) },
        { name: '1', shape: [], values: new Float32Array([0.5]) },
      ],
      metadata: { z: 'last', a: 'first' },
    });
    const header =
      '{"__metadata__":{"z":"last","a":"first"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' +
      '"1":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8, ' ');
    expect(toHex(bytes)).toBe(
      toHex(concatBytes(uint64le(padded.length), utf8(padded))) + '0000803f000000c00000003f',
    );
  });

  test('what is written is read back, whatever the names, shapes and values', () => {
    const tensor = fc
      .tuple(
        fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
        fc.array(fc.nat(3), { maxLength: 3 }),
      )
      .chain(([name, shape]) =>
        fc.record({
          name: fc.constant(name),
          shape: fc.constant(shape),
          values: fc.float32Array({
            minLength: shape.reduce((a, b) => a * b, 1),
            maxLength: shape.reduce((a, b) => a * b, 1),
          }),
        }),
      );
    const files = fc.record({
      tensors: fc.uniqueArray(
        tensor.filter(({ name }) => !refusedNames.includes(name)),
        { selector: ({ name }) => name, maxLength: 6 },
      ),
      metadata: fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), fc.string(), {
        noNullPrototype: true,
      }),
    });
    fc.assert(
      fc.property(files, ({ tensors, metadata }) => {
        fc.pre(!Object.keys(metadata).some((key) => refusedNames.includes(key)));
        const bytes = encodeSafetensors({ tensors, metadata });
        const decoded = decodeSafetensors(bytes);
        expect(decoded.metadata).toEqual(metadata);
        expect([...decoded.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
        for (const { name, shape, values } of tensors) {
          const read = decoded.tensors.get(name);
          expect(read?.shape).toEqual(shape);
          expect(decodeFloats(read?.data ?? new Uint8Array(0), 'F32')).toEqual(values);
        }
        expect(toHex(encodeSafetensors({ tensors, metadata }))).toBe(toHex(bytes));
      }),
    );
  });

  test('a name that stands twice, and values that do not fill their shape, are our own mistake', () => {
    const tensor = { name: 'a', shape: [1], values: new Float32Array(1) };
    const internal = expect.objectContaining({ code: 'INTERNAL' });
    expect(() => encodeSafetensors({ tensors: [tensor, tensor], metadata: {} })).toThrow(internal);
    expect(() => encodeSafetensors({ tensors: [{ ...tensor, shape: [2] }], metadata: {} })).toThrow(
      internal,
    );
  });
});

describe('reading', () => {
  const a = entry('F32', [1], [0, 4]);
  test.each([
    ['an overlap', `{"a":${a},"b":${entry('F32', [1], [2, 6])}}`, 6, 'tensor "b" overlaps'],
    ['the same range twice', `{"a":${a},"b":${a}}`, 4, 'tensor "b" overlaps'],
    ['a gap', `{"a":${a},"b":${entry('F32', [1], [5, 9])}}`, 9, 'leaves a gap of 1 bytes'],
    ['a gap at the start', `{"b":${entry('F32', [1], [1, 5])}}`, 5, 'leaves a gap of 1 bytes'],
    ['bytes after the last tensor', `{"a":${a}}`, 5, 'bytes after the last tensor'],
    ['bytes and no tensor', `{}`, 1, 'bytes after the last tensor'],
    ['a truncated tensor', `{"a":${a}}`, 3, 'it is truncated'],
    ['a range far outside', `{"a":${entry('U8', [2 ** 40], [0, 2 ** 40])}}`, 4, 'it is truncated'],
    ['a length that is not the shape', `{"a":${entry('F32', [2], [0, 4])}}`, 4, 'expected 8 bytes'],
    [
      'a shape that overflows',
      `{"a":${entry('F32', [2 ** 40, 2 ** 40], [0, 4])}}`,
      4,
      'tensor "a"',
    ],
    ['an end before the start', `{"a":${entry('F32', [1], [4, 0])}}`, 4, 'tensor "a"'],
    ['a negative offset', `{"a":${entry('F32', [1], [-4, 0])}}`, 4, 'data_offsets.0'],
    ['an offset that is not whole', `{"a":${entry('F32', [1], [0.5, 4.5])}}`, 4, 'data_offsets.0'],
    ['an offset beyond 2^53', `{"a":${entry('F32', [1], [1e300, 1e300])}}`, 4, 'data_offsets.0'],
    ['a negative dimension', `{"a":${entry('F32', [-1], [0, 4])}}`, 4, 'shape.0'],
    ['nine dimensions', `{"a":${entry('F32', Array(9).fill(1), [0, 4])}}`, 4, 'shape'],
    [
      'a field too many',
      `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`,
      4,
      'tensor "a"',
    ],
    ['a field too few', `{"a":{"dtype":"F32","shape":[1]}}`, 4, 'data_offsets'],
    ['a name that stands twice', `{"a":${a},"a":${a}}`, 4, '"a" is repeated'],
    ['a name twice by escape', `{"a":${a},"\\u0061":${a}}`, 4, '"a" is repeated'],
    [
      'a field that stands twice',
      `{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`,
      4,
      '"dtype" is repeated',
    ],
    ['metadata twice', `{"__metadata__":{},"__metadata__":{}}`, 0, '"__metadata__" is repeated'],
    ['metadata that is not text', `{"__metadata__":{"a":1}}`, 0, 'map text to text'],
    ['a name of a prototype', `{"__proto__":${a}}`, 4, '"__proto__"'],
    ['a constructor', `{"constructor":${a}}`, 4, '"constructor"'],
    ['an empty name', `{"":${a}}`, 4, 'got ""'],
    ['a list', '[]', 0, 'JSON object'],
    ['null', 'null', 0, 'JSON object'],
    ['no JSON', '{"a"', 0, 'JSON in UTF-8'],
  ])('%s is refused by name', (_what, header, dataBytes, text) => {
    expectInvalid(() => decodeSafetensors(fileOf(header, dataBytes)), text);
  });

  test('bytes that are not UTF-8, and lengths that cannot be, are refused before anything is read', () => {
    expectInvalid(() => parseSafetensorsHeader(new Uint8Array([0xff, 0xfe]), 10), 'JSON in UTF-8');
    expectInvalid(() => decodeSafetensors(new Uint8Array(7)), '8 bytes or more, got 7');
    const lengths: readonly [bigint, number, string][] = [
      [2n ** 64n - 1n, 2 ** 40, '16777216 bytes at most'],
      [16n * 2n ** 20n + 1n, 2 ** 40, '16777216 bytes at most'],
      [9n, 16, 'the file has 16 bytes in all'],
    ];
    for (const [length, fileSize, text] of lengths) {
      const prefix = new Uint8Array(8);
      new DataView(prefix.buffer).setBigUint64(0, length, true);
      expectInvalid(() => safetensorsHeaderLength(prefix, fileSize), text);
    }
    expect(safetensorsHeaderLength(uint64le(8), 16)).toBe(8);
  });

  test('more than 100,000 tensors are refused', () => {
    const empty = entry('U8', [0], [0, 0]);
    const names = Array.from({ length: 100_001 }, (_unused, index) => `"t${index}":${empty}`);
    expectInvalid(
      () => decodeSafetensors(fileOf(`{${names.join(',')}}`, 0)),
      '100000 tensors at most',
    );
  });

  test('a number type that is not known is refused as such', () => {
    expect(() => decodeSafetensors(fileOf(`{"a":${entry('F4', [8], [0, 4])}}`, 4))).toThrow(
      expect.objectContaining({ code: 'TENSOR_DTYPE_UNSUPPORTED' }),
    );
  });

  test('tensors may be named in any order, and may be empty', () => {
    const header = `{"b":${entry('U8', [3], [4, 7])},"e":${entry('F32', [0, 5], [4, 4])},"a":${a}}`;
    const { tensors } = decodeSafetensors(fileOf(header, 7));
    expect([...tensors.keys()]).toEqual(['b', 'e', 'a']);
  });

  test('no sequence of bytes ends in anything but a file or an error of the catalogue', () => {
    const good = encodeSafetensors({
      tensors: [{ name: 'tensor', shape: [2, 3], values: new Float32Array(6) }],
      metadata: { format: 'x' },
    });
    const random = fc.uint8Array({ maxLength: 200 });
    const headed = fc
      .tuple(fc.json(), fc.nat(40))
      .map(([json, dataBytes]) => fileOf(json, dataBytes));
    const damaged = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
      .map((changes) => {
        const bytes = good.slice();
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    const cut = fc.nat(good.length - 1).map((length) => good.slice(0, length));
    fc.assert(
      fc.property(fc.oneof(random, headed, damaged, cut), (bytes) => {
        try {
          const { tensors } = decodeSafetensors(bytes);
          // What was accepted fills the file: nothing larger than the file was made of it.
          const sum = [...tensors.values()].reduce((total, { data }) => total + data.length, 0);
          expect(sum).toBeLessThan(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(MeloError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('repeated keys', () => {
  test.each([
    ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}', null],
    ['{"a":"a","b":"a,\\"a\\":1"}', null],
    ['{"a\\\\":1,"a":2}', null],
    ['{"a":[1,2,"a"],"b":"a"}', null],
    ['{"a":{"b":1,"c":{},"b":2}}', 'b'],
    ['[{"x":1},{"y":1,"y":2}]', 'y'],
    ['{"a":[{}],"a":1}', 'a'],
    ['{"\\n":1,"\\u000a":2}', '\n'],
  ])('%s', (text, expected) => {
    expect(findRepeatedKey(text)).toBe(expected);
  });

  test('there are none in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(findRepeatedKey(JSON.stringify(value))).toBeNull();
      }),
    );
  });
});

describe('number types', () => {
  const asHalf = (half: number): number =>
    decodeFloats(new Uint8Array([half & 0xff, half >> 8]), 'F16')[0] ?? Number.NaN;

  test('F16 is IEEE 754 binary16, for all 65,536 patterns', () => {
    const bytes = new Uint8Array(new Uint16Array(65_536).map((_unused, half) => half).buffer);
    const values = decodeFloats(bytes, 'F16');
    for (let half = 0; half < 65_536; half++) {
      const sign = half >= 32_768 ? -1 : 1;
      const exponent = (half >> 10) & 31;
      const fraction = half & 1023;
      const expected =
        exponent === 31
          ? fraction === 0
            ? sign * Infinity
            : Number.NaN
          : sign *
            (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
      if (!Object.is(values[half], expected)) throw new Error(`pattern ${half} is wrong`);
    }
  });

  test.each([
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65_504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x3555, 0.333251953125],
  ])('F16 %i is %f', (half, value) => {
    expect(asHalf(half)).toBe(value);
  });

  test('every finite F16 and BF16 pattern survives the way to float32 and back', () => {
    for (const dtype of ['F16', 'BF16'] as const) {
      const patterns = new Uint16Array(65_536).map((_unused, pattern) => pattern);
      const finite = patterns.filter(
        (pattern) =>
          (pattern & (dtype === 'F16' ? 0x7c00 : 0x7f80)) !== (dtype === 'F16' ? 0x7c00 : 0x7f80),
      );
      const bytes = new Uint8Array(finite.buffer);
      expect(toHex(encodeFloats(decodeFloats(bytes, dtype), dtype))).toBe(toHex(bytes));
    }
  });

  test('narrowing takes the nearest value, ties to even', () => {
    const halves = encodeFloats(
      new Float32Array([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65_519, 65_520, 2 ** -25, 2 ** -25 * 1.5]),
      'F16',
    );
    expect(toHex(halves)).toBe('003c' + '023c' + 'ff7b' + '007c' + '0000' + '0100');
    const bfloats = encodeFloats(new Float32Array([1 + 2 ** -8, 1 + 3 * 2 ** -8]), 'BF16');
    expect(toHex(bfloats)).toBe('803f' + '823f');
  });

  test('F32 at an odd offset is read, other types and odd lengths are refused', () => {
    const bytes = concatBytes(new Uint8Array(1), new Uint8Array(new Float32Array([7, -8]).buffer));
    expect([...decodeFloats(bytes.subarray(1), 'F32')]).toEqual([7, -8]);
    expect(() => decodeFloats(new Uint8Array(8), 'F64')).toThrow(
      expect.objectContaining({ code: 'TENSOR_DTYPE_UNSUPPORTED' }),
    );
    for (const dtype of ['F32', 'F16', 'BF16']) {
      expectInvalid(() => decodeFloats(new Uint8Array(5), dtype), 'whole');
    }
  });
});
