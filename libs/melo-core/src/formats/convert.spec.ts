/** The card of an adapter that another tool made, and where two adapters differ. */
import fc from 'fast-check';
import {
  adapterLayout,
  adapterSpecification,
  decodeSafetensors,
  encodeAdapterFile,
  encodeSafetensorsBytes,
  tensorView,
  type AdapterFile,
} from '#core/adapter';
import {
  compareAdapters,
  compareFields,
  convertToNative,
  decodePeft,
  encodePeft,
  recogniseFormat,
  type ForeignAdapter,
} from './index.ts';
import { nativeAdapter, nativeOptions } from './testing/index.ts';

const library = 'melo-federation 0.1.0';
const native = nativeAdapter();
const { backbone, preprocessing } = native.card;

/** As PEFT itself writes it, without our metadata. */
function fromPeft(file: AdapterFile = native): ForeignAdapter {
  const { bytes, config } = encodePeft(file, { names: 'transformers-5' });
  const tensors = [...decodeSafetensors(bytes).tensors].map(([name, one]) => ({ name, ...one }));
  return decodePeft({ bytes: encodeSafetensorsBytes({ tensors, metadata: {} }), config });
}

describe('a card for an adapter without one', () => {
  test('says what was given, and of its origin only the format', () => {
    const classes = ['x', 'y', 'z'];
    const details = { task: 'eyes', classes, backbone, preprocessing, library };
    const { file, isRestored } = convertToNative(fromPeft(), details);
    expect(isRestored).toBe(false);
    expect(file.values).toEqual(native.values);
    expect(file.card).toMatchObject({
      ...{ task: 'eyes', title: 'eyes', classes, version: 0, publicSeed: '00'.repeat(32) },
      aggregation: { method: 'imported', weights: 'equal' },
      lineage: { parentDigest: null, round: null, members: [] },
      software: { library, engine: 'imported from peft' },
    });
  });

  test('names the classes by number where nobody did, and says so', () => {
    const details = { task: 'eyes', backbone, preprocessing, library };
    const { file, notes } = convertToNative(fromPeft(), details);
    expect(file.card.classes).toEqual(['class 0', 'class 1', 'class 2']);
    expect(notes.join()).toContain('no names');
  });

  test.each([
    ['no backbone', { task: 'eyes', preprocessing }, 'lacks the backbone'],
    ['no task', { backbone, preprocessing }, 'lacks the name'],
    ['a task that is no name', { task: 'E y', backbone, preprocessing }, 'field task'],
    [
      'a backbone of another width',
      { task: 'eyes', backbone: { ...backbone, dimension: 7 }, preprocessing },
      'D = 7',
    ],
    [
      'classes of another number',
      { task: 'eyes', classes: ['a', 'b'], backbone, preprocessing },
      '2 classes',
    ],
  ])('with %s is refused', (_what, details, said) => {
    expect(() => convertToNative(fromPeft(), { ...details, library })).toThrow(
      expect.objectContaining({
        code: 'ADAPTER_INVALID',
        message: expect.stringContaining(said),
      }) as Error,
    );
  });
});

test('formats are told by the header', () => {
  expect(recogniseFormat(encodeAdapterFile(native))).toBe('melo');
  expect(recogniseFormat(encodePeft(native, { names: 'transformers-4' }).bytes)).toBe('peft');
  const bytes = encodeSafetensorsBytes({ tensors: [], metadata: {} });
  expect(() => recogniseFormat(bytes)).toThrow(/no known format/);
});

describe('the difference', () => {
  test('of an adapter and itself is none', () => {
    fc.assert(
      fc.property(nativeOptions, (options) => {
        const file = nativeAdapter(options);
        const { isSame, products, tensors, specification } = compareAdapters(file, file);
        expect(isSame).toBe(true);
        expect(specification).toEqual([]);
        expect(tensors.every(({ relative }) => relative === 0)).toBe(true);
        for (const { cosine, relative } of products) {
          expect(cosine).toBeCloseTo(1, 9);
          expect(relative).toBe(0);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('in one number is seen in its tensor and its product alone', () => {
    const values = native.values.slice();
    const b = tensorView(native.layout, values, 'blocks.1.attn.v.lora_B');
    b[3] = (b[3] ?? 0) + 0.5;
    const { isSame, tensors, products } = compareAdapters(native, { ...native, values });
    expect(isSame).toBe(false);
    const differing = tensors.filter(({ maximumAbsolute }) => maximumAbsolute !== 0);
    expect(differing).toEqual([
      expect.objectContaining({ name: 'blocks.1.attn.v.lora_B', shapes: null }),
    ]);
    expect(differing[0]?.maximumAbsolute).toBeCloseTo(0.5, 6);
    const moved = products.filter(({ relative }) => relative > 1e-6);
    expect(moved.map(({ projection }) => projection)).toEqual(['blocks.1.attn.v']);
  });

  test('of products is that of the matrices themselves', () => {
    const other = nativeAdapter({ rank: 3, alpha: 1.5, seed: 'b' });
    const { products, tensors, specification } = compareAdapters(native, other);
    expect(specification.map(({ field }) => field)).toEqual(['rank', 'scale']);
    expect(tensors[0]).toMatchObject({
      shapes: [
        [2, 6],
        [3, 6],
      ],
      relative: null,
    });
    const [x, y] = [product(native, 'blocks.0.attn.q'), product(other, 'blocks.0.attn.q')];
    const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0);
    const norm = (a: number[]) => Math.sqrt(dot(a, a));
    const difference = x.map((value, index) => value - (y[index] ?? 0));
    expect(products[0]?.cosine).toBeCloseTo(dot(x, y) / (norm(x) * norm(y)), 9);
    expect(products[0]?.relative).toBeCloseTo(norm(difference) / Math.max(norm(x), norm(y)), 9);
  });

  test('of one rounding is seen in the product', () => {
    const values = native.values.slice();
    const a = tensorView(native.layout, values, 'blocks.0.attn.q.lora_A');
    a[0] = (a[0] ?? 0) * (1 + 2 ** -23);
    const [first] = compareAdapters(native, { ...native, values }).products;
    expect(first?.relative).toBeGreaterThan(1e-10);
    expect(first?.relative).toBeLessThan(1.2e-7);
  });

  test('of a zero product and another has no angle', () => {
    const { layout, values } = native;
    const zero = { ...native, values: values.slice() };
    tensorView(layout, zero.values, 'blocks.0.attn.q.lora_B').fill(0);
    const [first] = compareAdapters(native, zero).products;
    expect(first).toMatchObject({ cosine: null, relative: 1 });
    expect(compareAdapters(zero, zero).products[0]).toMatchObject({ cosine: 1, relative: 0 });
  });

  test('of adapters for different backbones is in the specification', () => {
    const specification = adapterSpecification({ ...native.specification, blocks: 1 });
    const layout = adapterLayout(specification);
    const other = { specification, layout, values: new Float32Array(layout.size) };
    const difference = compareAdapters(native, other);
    expect(difference.specification.map(({ field }) => field)).toEqual(['blocks']);
    expect(difference).toMatchObject({ isSame: false, products: [] });
  });
});

test('fields differ by their canonical JSON', () => {
  const difference = compareFields({ x: { p: 1, q: 2 }, y: 1 }, { x: { q: 2, p: 1 }, z: 3 });
  expect(difference).toEqual([
    { field: 'y', a: 1, b: null },
    { field: 'z', a: null, b: 3 },
  ]);
});

/** s B A as a dense matrix, (D,D). */
function product({ specification, layout, values }: AdapterFile, projection: string): number[] {
  const { rank, dimension, scale } = specification;
  const a = tensorView(layout, values, `${projection}.lora_A`);
  const b = tensorView(layout, values, `${projection}.lora_B`);
  return Array.from({ length: dimension * dimension }, (_, at) => {
    const [row, column] = [Math.floor(at / dimension), at % dimension];
    let sum = 0;
    for (let k = 0; k < rank; k++) {
      sum += (b[row * rank + k] ?? 0) * (a[k * dimension + column] ?? 0);
    }
    return scale * sum;
  });
}
