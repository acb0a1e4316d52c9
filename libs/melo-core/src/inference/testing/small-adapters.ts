/** Adapter files for specs: of a small backbone that nobody has, of any rank and classes. */
import { adapterCard, adapterLayout, encodeAdapterFile, specificationOf } from '#core/adapter';
import { seededRng } from '#core/rng';
import { taskDefinitionSchema } from '#core/protocol';

/** The backbone that the adapters are for. */
export const smallBackbone = { name: 'vit-small-test', fingerprint: 'ab'.repeat(32) };

/** What an adapter of a spec may have of its own. */
export interface SmallAdapterOptions {
  readonly task?: string;
  readonly rank?: number;
  readonly alpha?: number;
  readonly classes?: readonly string[];
  readonly backbone?: { readonly name: string; readonly fingerprint: string };
  /** D and L of the backbone, 16 and 2 by default. */
  readonly dimension?: number;
  readonly blocks?: number;
  readonly seed?: string;
  /** Of the task's plan; the cross-entropy by default. */
  readonly loss?: 'cross-entropy' | 'binary-cross-entropy';
}

/** Write an adapter file with random numbers. */
export function smallAdapterFile(options: SmallAdapterOptions = {}): Uint8Array {
  const { task = 'chest', rank = 2, alpha = 3, classes = ['no', 'yes'], seed = 'a' } = options;
  const { dimension = 16, blocks = 2, backbone = smallBackbone } = options;
  const { loss = 'cross-entropy' } = options;
  const half = [0.5, 0.5, 0.5];
  const definition = taskDefinitionSchema.parse({
    ...{ version: 1, task, title: `Task ${task}`, mode: 'clear', rank, alpha, rounds: 2 },
    backbone: { ...backbone, dimension, blocks, patchSize: 8, imageSize: 32 },
    preprocessing: {
      ...{ version: 1, imageSize: 32, resize: 'fill', crop: 'none', kernel: 'cubic' },
      ...{ channels: 'rgb', mean: half, std: half },
    },
    classes: [...classes],
    publicSeed: '00112233445566778899aabbccddeeff'.repeat(2),
    plan: {
      ...{ version: 1, batchSize: 4, seed: 1 },
      optimiser: { name: 'adamw', learningRate: 1e-3 },
      schedule: { name: 'cosine', totalRounds: 2 },
      duration: { unit: 'epochs', count: 1 },
      loss: { name: loss },
      augmentation: { name: 'none' },
    },
    aggregation: {},
    rules: { quorumSites: 2 },
    members: ['alpha', 'beta'],
  });
  const specification = specificationOf(definition);
  const rng = seededRng(`small adapter/${seed}`);
  const { size } = adapterLayout(specification);
  const values = Float32Array.from({ length: size }, () => 0.1 * rng.nextNormal());
  const card = adapterCard({
    ...{ definition, version: 1, parentDigest: 'cd'.repeat(32), round: 1 },
    members: [{ site: 'alpha', weight: 1, samples: 1 }],
    software: { library: 'melo-federation 0.1.0', engine: 'fedavg, float64' },
  });
  return encodeAdapterFile({ specification, values, card });
}
