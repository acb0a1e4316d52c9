/** Native adapters of any size for the specs of this folder. */
import fc from 'fast-check';
import {
  adapterCardSchema,
  adapterLayout,
  adapterNotice,
  adapterSpecification,
  decodeAdapterFile,
  encodeAdapterFile,
  type AdapterFile,
} from '#core/adapter';
import { seededRng } from '#core/rng';

/** What a native adapter is made from. */
export interface NativeOptions {
  readonly rank?: number;
  readonly alpha?: number;
  readonly dimension?: number;
  readonly blocks?: number;
  readonly classCount?: number;
  readonly seed?: string;
  /** Whether the head's bias is all zero. */
  readonly isBiasZero?: boolean;
  readonly pooling?: 'cls' | 'mean';
}

/** Make an adapter whose numbers are nowhere zero. */
export function nativeAdapter(options: NativeOptions = {}): AdapterFile {
  const { rank = 2, alpha = 3, dimension = 6, blocks = 2, classCount = 3, seed = 'a' } = options;
  const { pooling = 'cls' } = options;
  const classes = Array.from({ length: classCount }, (_, index) => `kind ${index}`);
  const specification = adapterSpecification({
    ...{ rank, alpha, classes, dimension, blocks, pooling },
  });
  const layout = adapterLayout(specification);
  const rng = seededRng(`native/${seed}`);
  const values = Float32Array.from({ length: layout.size }, () => rng.nextNormal());
  if (options.isBiasZero === true) values.fill(0, layout.size - classCount);
  const triple = [0.5, 0.5, 0.5];
  const card = adapterCardSchema.parse({
    ...{ format: 'melo-adapter/1', task: 'chest', title: 'Chest', classes, rank, alpha },
    scale: specification.scale,
    ...(pooling === 'cls' ? {} : { pooling }),
    backbone: {
      ...{ name: 'vit-small', fingerprint: 'ab'.repeat(32), dimension, blocks },
      ...{ patchSize: 8, imageSize: 32 },
    },
    preprocessing: {
      ...{ version: 1, imageSize: 32, resize: 'fill', crop: 'none', kernel: 'cubic' },
      ...{ channels: 'rgb', mean: triple, std: triple },
    },
    version: 7,
    trainedTensors: { selection: 'all', count: layout.tensors.length },
    aggregation: { method: 'fedavg', weights: 'samples' },
    lineage: {
      ...{ parentDigest: 'cd'.repeat(32), round: 7 },
      members: [{ site: 'alpha', weight: 1, samples: 3 }],
    },
    ...{ layoutHash: layout.hash, publicSeed: '01'.repeat(32), notice: adapterNotice },
    software: { library: 'melo-federation 0.1.0', engine: 'fedavg, float64' },
  });
  return decodeAdapterFile(encodeAdapterFile({ specification, values, card }));
}

/** Sizes and numbers of small adapters; alpha is any whole or broken number. */
export const nativeOptions: fc.Arbitrary<NativeOptions> = fc.record({
  rank: fc.integer({ min: 1, max: 5 }),
  alpha: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.double({ min: 0.01, max: 40, noNaN: true })),
  dimension: fc.integer({ min: 1, max: 9 }),
  blocks: fc.integer({ min: 1, max: 12 }),
  classCount: fc.integer({ min: 2, max: 4 }),
  seed: fc.string({ maxLength: 8 }),
  isBiasZero: fc.boolean(),
});
