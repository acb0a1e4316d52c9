import fc from 'fast-check';
import { canonicalJson, toHex } from '#core/bytes';
import { taskDefinitionSchema, type TaskDefinition } from '#core/protocol';
import { smallTask } from '#core/protocol/testing';
import {
  adapterCard,
  adapterDelta,
  adapterDigest,
  adapterLayout,
  decodeAdapterFile,
  decodeSafetensors,
  decodeUpdate,
  encodeAdapterFile,
  encodeSafetensorsBytes,
  encodeUpdate,
  initialAdapter,
  resolveTrainedTensors,
  specificationOf,
  tensorView,
  type AdapterCard,
  type SafetensorsTensor,
} from './index.ts';

const publicSeed = '00112233445566778899aabbccddeeff'.repeat(2);
const definition: TaskDefinition = taskDefinitionSchema.parse(
  smallTask({
    backbone: {
      name: 'vit-nano',
      fingerprint: 'ab'.repeat(32),
      dimension: 16,
      blocks: 2,
      patchSize: 8,
      imageSize: 32,
    },
    publicSeed,
    rules: { quorumSites: 2 },
    members: ['alpha', 'beta'],
  }),
);
const specification = specificationOf(definition);
const layout = adapterLayout(specification);
const members = [
  { site: 'beta', weight: 3, samples: 3 },
  { site: 'alpha', weight: 1, samples: 1 },
];
const card: AdapterCard = adapterCard({
  definition,
  version: 1,
  parentDigest: 'cd'.repeat(32),
  round: 1,
  members,
  software: { library: 'melo-federation 0.1.0', engine: 'fedavg, float64' },
});
const ramp = (): Float32Array =>
  new Float32Array(layout.size).map((_unused, index) => (index - 7) / 64);
const file = (): Uint8Array => encodeAdapterFile({ specification, values: ramp(), card });

type Tensors = Map<string, SafetensorsTensor>;
/** Change a file's tensors or metadata and write it again. */
function rewrite(
  bytes: Uint8Array,
  change: { tensors?: (tensors: Tensors) => unknown; metadata?: Record<string, string> },
): Uint8Array {
  const decoded = decodeSafetensors(bytes);
  const tensors = new Map(decoded.tensors);
  change.tensors?.(tensors);
  return encodeSafetensorsBytes({
    tensors: [...tensors].map(([name, tensor]) => ({ name, ...tensor })),
    metadata: { ...decoded.metadata, ...change.metadata },
  });
}
const tensorOf = (shape: readonly number[], value = 0): SafetensorsTensor => ({
  dtype: 'F32',
  shape,
  data: new Uint8Array(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value).buffer),
});
const expectRefused = (act: () => unknown, code: string, text = ''): void => {
  expect(act).toThrow(expect.objectContaining({ code, message: expect.stringContaining(text) }));
};

describe('version 0', () => {
  const values = initialAdapter(specification, publicSeed);

  test('A lies in [-1/sqrt D, 1/sqrt D), all else is zero', () => {
    for (const { name } of layout.tensors) {
      const part = tensorView(layout, values, name);
      if (name.endsWith('.lora_A')) {
        expect(part.every((value) => value >= -0.25 && value < 0.25)).toBe(true);
        expect(new Set(part).size).toBeGreaterThan(part.length - 2);
      } else expect(part.every((value) => Object.is(value, 0))).toBe(true);
    }
  });

  test('A is uniform: mean and variance within five deviations at 98,304 draws', () => {
    const wide = { ...specification, dimension: 768, blocks: 16, rank: 4 };
    const all = initialAdapter(wide, publicSeed);
    const drawn = adapterLayout(wide)
      .tensors.filter(({ name }) => name.endsWith('lora_A'))
      .flatMap(({ offset, size }) => [...all.subarray(offset, offset + size)]);
    const count = drawn.length;
    expect(count).toBe(98_304);
    const scaled = drawn.map((value) => value * Math.sqrt(768)); // U(-1,1): variance 1/3, of the square 4/45
    const mean = scaled.reduce((sum, value) => sum + value, 0) / count;
    const square = scaled.reduce((sum, value) => sum + value * value, 0) / count;
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(1 / 3 / count));
    expect(Math.abs(square - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / count));
  });

  test('the same seed gives the same bytes, another seed others', () => {
    expect(initialAdapter(specification, publicSeed)).toEqual(values);
    expect(initialAdapter(specification, publicSeed.replace('0', '1'))).not.toEqual(values);
  });

  test('a tensor does not depend on the others: one more block changes none of the first two', () => {
    const deeper = { ...specification, blocks: 3 };
    const more = initialAdapter(deeper, publicSeed);
    const name = 'blocks.1.attn.v.lora_A';
    expect(tensorView(adapterLayout(deeper), more, name)).toEqual(tensorView(layout, values, name));
    expect(tensorView(layout, values, 'blocks.0.attn.v.lora_A')).not.toEqual(
      tensorView(layout, values, name),
    );
  });

  test('a seed of another length is refused', () => {
    expect(() => initialAdapter(specification, 'ab')).toThrow(RangeError);
  });
});

describe('delta', () => {
  test('is the float32 difference, exactly zero where nothing changed', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true, min: -1e6, max: 1e6 })), (numbers) => {
        const global = new Float32Array(numbers);
        const local = global.map((value, index) => (index % 2 === 0 ? value : value * 1.5 + 1));
        const delta = adapterDelta(local, global);
        for (const [index, value] of delta.entries()) {
          expect(value).toBe(Math.fround((local[index] ?? 0) - (global[index] ?? 0)));
          if (index % 2 === 0) expect(Object.is(value, 0)).toBe(true);
        }
      }),
    );
  });

  test('other lengths, and numbers that are not finite, are refused', () => {
    const two = new Float32Array(2);
    expectRefused(() => adapterDelta(new Float32Array(3), two), 'UPDATE_SHAPE_MISMATCH');
    expectRefused(() => adapterDelta(new Float32Array([0, Infinity]), two), 'NON_FINITE_UPDATE');
    expectRefused(() => adapterDelta(two, new Float32Array([Number.NaN, 0])), 'NON_FINITE_UPDATE');
    const huge = new Float32Array([3e38, 0]);
    const opposite = new Float32Array([-3e38, 0]);
    expectRefused(() => adapterDelta(huge, opposite), 'NON_FINITE_UPDATE', 'update');
  });
});

describe('trained tensors', () => {
  test('all, head and a list come out in the order of the layout', () => {
    const names = layout.tensors.map(({ name }) => name);
    expect(resolveTrainedTensors('all', layout)).toEqual(names);
    expect(resolveTrainedTensors('head', layout)).toEqual(['head.weight', 'head.bias']);
    expect(resolveTrainedTensors([...names].reverse(), layout)).toEqual(names);
  });

  test('an unknown and a repeated name are refused', () => {
    expectRefused(() => resolveTrainedTensors(['head'], layout), 'LAYOUT_MISMATCH', 'head');
    expectRefused(
      () => resolveTrainedTensors(['head.bias', 'head.bias'], layout),
      'LAYOUT_MISMATCH',
      'repeated',
    );
  });
});

describe('adapter file', () => {
  test('comes back as it went in', () => {
    const decoded = decodeAdapterFile(file());
    expect(decoded.values).toEqual(ramp());
    expect(decoded.card).toEqual(card);
    expect(decoded.specification).toEqual(specification);
    expect(decoded.layout.hash).toBe(layout.hash);
    expect(decoded.specification.scale).toBe(1.5); // 3 / 2: a real division
  });

  test('one version has one digest: no date, no random value, no order of arrival', () => {
    const again = adapterCard({
      definition,
      version: 1,
      parentDigest: 'cd'.repeat(32),
      round: 1,
      members: [...members].reverse(),
      software: { library: 'melo-federation 0.1.0', engine: 'fedavg, float64' },
    });
    const bytes = encodeAdapterFile({ specification, values: ramp(), card: again });
    expect(adapterDigest(bytes)).toBe(adapterDigest(file()));
    expect(adapterDigest(bytes)).toBe(
      'f6f3d6a97f4cde4b3020a3f75e98f07be9a010b2d9d8043def3cb4a87b8c8362',
    );
  });

  test('the card says what it is for and that it is no medical device', () => {
    expect(card).toMatchObject({
      notice: 'Investigational. Not a medical device.',
      trainedTensors: { selection: 'all', count: 10 },
      scale: 1.5,
    });
    expect(card.lineage.members.map(({ site }) => site)).toEqual(['alpha', 'beta']);
  });

  test('tensors that are missing, unexpected, misshapen or of another type are named', () => {
    for (const { name, shape } of layout.tensors) {
      const missing = rewrite(file(), { tensors: (tensors) => tensors.delete(name) });
      expectRefused(() => decodeAdapterFile(missing), 'LAYOUT_MISMATCH', name);
      const turned = rewrite(file(), {
        tensors: (tensors) => tensors.set(name, tensorOf([...shape, 1])),
      });
      expectRefused(() => decodeAdapterFile(turned), 'LAYOUT_MISMATCH', name);
      const typed = rewrite(file(), {
        tensors: (tensors) => tensors.set(name, { ...tensorOf(shape), dtype: 'I32' }),
      });
      expectRefused(() => decodeAdapterFile(typed), 'ADAPTER_INVALID', name);
      const infinite = rewrite(file(), {
        tensors: (tensors) => tensors.set(name, tensorOf(shape, -Infinity)),
      });
      expectRefused(() => decodeAdapterFile(infinite), 'NON_FINITE_UPDATE', name);
    }
    const more = rewrite(file(), { tensors: (tensors) => tensors.set('extra', tensorOf([1])) });
    expectRefused(() => decodeAdapterFile(more), 'LAYOUT_MISMATCH', 'extra');
  });

  test.each([
    ['no format', { format: 'other' }, 'ADAPTER_INVALID', 'format'],
    ['a card that is no JSON', { card: '{' }, 'ADAPTER_INVALID', 'JSON'],
    ['a card of another form', { card: '{"a":1}' }, 'ADAPTER_INVALID', 'field'],
    [
      'a field twice',
      { card: canonicalJson(card).replace('{', '{"format":"melo-adapter/1",') },
      'ADAPTER_INVALID',
      'once',
    ],
    ['scale zero', { card: canonicalJson({ ...card, scale: 0 }) }, 'ADAPTER_INVALID', 'scale'],
    ['another scale', { card: canonicalJson({ ...card, scale: 1 }) }, 'ADAPTER_INVALID', 'scale'],
    [
      'no notice',
      { card: canonicalJson({ ...card, notice: 'Approved.' }) },
      'ADAPTER_INVALID',
      'notice',
    ],
    [
      'another layout hash',
      { card: canonicalJson({ ...card, layoutHash: 'ef'.repeat(32) }) },
      'LAYOUT_MISMATCH',
      'layout hash',
    ],
    [
      'members out of order',
      {
        card: canonicalJson({
          ...card,
          lineage: { ...card.lineage, members: [...card.lineage.members].reverse() },
        }),
      },
      'ADAPTER_INVALID',
      'lineage.members',
    ],
  ])('%s is refused', (_what, metadata, code, text) => {
    const bytes = rewrite(file(), { metadata });
    expectRefused(() => decodeAdapterFile(bytes), code, text);
  });

  test('no values but those of the specification are written', () => {
    const write = (values: Float32Array) => () =>
      encodeAdapterFile({ specification, values, card });
    expectRefused(write(new Float32Array(layout.size - 1)), 'UPDATE_SHAPE_MISMATCH');
    expectRefused(write(ramp().fill(Number.NaN, -1)), 'NON_FINITE_UPDATE', 'head.bias');
    const other = { ...specification, classes: ['pneumonia', 'normal'] };
    expectRefused(
      () => encodeAdapterFile({ specification: other, values: ramp(), card }),
      'ADAPTER_INVALID',
      'classes',
    );
  });
});

describe('update file', () => {
  const all = resolveTrainedTensors('all', layout);
  const head = resolveTrainedTensors('head', layout);
  const headOnly = (): Float32Array => {
    const delta = new Float32Array(layout.size);
    for (const name of head) tensorView(layout, delta, name).fill(0.5);
    return delta;
  };
  const decode = (bytes: Uint8Array, trainedTensors: readonly string[] = all): Float32Array =>
    decodeUpdate({ bytes, layout, trainedTensors, site: 'alpha' });
  const update = (): Uint8Array => encodeUpdate({ layout, trainedTensors: all, delta: ramp() });

  test('comes back as it went in, and is the same bytes each time', () => {
    expect(decode(update())).toEqual(ramp());
    expect(toHex(update())).toBe(toHex(update()));
  });

  test('of the head alone carries the head alone, and is zero elsewhere', () => {
    const bytes = encodeUpdate({ layout, trainedTensors: head, delta: headOnly() });
    expect([...decodeSafetensors(bytes).tensors.keys()]).toEqual(head);
    expect(decode(bytes, head)).toEqual(headOnly());
  });

  test('a change of a tensor that is not trained is not written', () => {
    expectRefused(
      () => encodeUpdate({ layout, trainedTensors: head, delta: ramp() }),
      'UPDATE_SHAPE_MISMATCH',
      'blocks.0.attn.q.lora_A',
    );
    expectRefused(
      () => encodeUpdate({ layout, trainedTensors: all, delta: ramp().fill(Infinity, 0, 1) }),
      'NON_FINITE_UPDATE',
      'blocks.0.attn.q.lora_A',
    );
    expectRefused(
      () => encodeUpdate({ layout, trainedTensors: all, delta: ramp().subarray(1) }),
      'UPDATE_SHAPE_MISMATCH',
    );
  });

  test('each tensor missing, unexpected, misshapen, of another type or not finite is named', () => {
    for (const { name, shape } of layout.tensors) {
      const change = (code: string, edit: (tensors: Tensors) => unknown): void => {
        const bytes = rewrite(update(), { tensors: edit });
        expectRefused(() => decode(bytes), code, name);
        expectRefused(() => decode(bytes), code, 'alpha');
      };
      change('TENSOR_MISSING', (tensors) => tensors.delete(name));
      change('UPDATE_SHAPE_MISMATCH', (tensors) => tensors.set(name, tensorOf([1, ...shape])));
      change('TENSOR_DTYPE_UNSUPPORTED', (tensors) =>
        tensors.set(name, { ...tensorOf(shape), dtype: 'U32' }),
      );
      change('NON_FINITE_UPDATE', (tensors) => tensors.set(name, tensorOf(shape, Number.NaN)));
    }
    const more = rewrite(update(), { tensors: (tensors) => tensors.set('x', tensorOf([1])) });
    expectRefused(() => decode(more), 'TENSOR_UNEXPECTED', 'x');
    expectRefused(() => decode(update(), head), 'TENSOR_UNEXPECTED', 'blocks.0.attn.q.lora_A');
  });

  test('the size is checked before anything is parsed', () => {
    const tooLong = new Uint8Array(4 * layout.size + 1024 * 1024 + 1);
    expectRefused(() => decode(tooLong), 'UPDATE_SHAPE_MISMATCH');
    expectRefused(() => decode(new Uint8Array(4 * layout.size)), 'SAFETENSORS_INVALID');
  });

  test('one of another format, layout or beyond the norm is refused', () => {
    const other = rewrite(update(), { metadata: { format: 'pt' } });
    expectRefused(() => decode(other), 'SAFETENSORS_INVALID', 'format');
    const moved = rewrite(update(), { metadata: { layout: 'ef'.repeat(32) } });
    expectRefused(() => decode(moved), 'LAYOUT_MISMATCH', 'layout');
    const norm = Math.sqrt(ramp().reduce((sum, value) => sum + value * value, 0));
    const bounded = (normMax: number) => () =>
      decodeUpdate({ bytes: update(), layout, trainedTensors: all, site: 'alpha', normMax });
    expectRefused(bounded(norm * (1 - 1e-9)), 'UPDATE_NORM_EXCEEDED', 'alpha');
    expect(bounded(norm * (1 + 1e-9))()).toEqual(ramp());
  });

  test('no change of a byte ends in anything but an update or an error of the catalogue', () => {
    const good = update();
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const bytes = good.slice();
        bytes[at] = value;
        try {
          expect(decode(bytes)).toHaveLength(layout.size);
        } catch (error) {
          expect(error).toHaveProperty('code');
        }
      }),
      { numRuns: 500 },
    );
  });
});
