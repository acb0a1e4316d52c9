/** A small ViT with random weights, an adapter and a batch for it: what the engine's specs run on. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterLayout, adapterSpecification } from '#core/adapter';
import type { AdapterLayout, AdapterSpecification, FloatDtype } from '#core/adapter';
import { memorySource, openBackbone, randomBackboneFile } from '#core/backbone';
import type { Backbone, BackboneConfiguration } from '#core/backbone';
import type { Pooling } from '#core/protocol';
import { seededRng } from '#core/rng';
import type { Batch } from '../types.ts';

/** Everything about the small model that a spec may vary. */
export interface SmallOptions {
  readonly blocks?: number;
  readonly rank?: number;
  readonly alpha?: number;
  readonly classes?: readonly string[];
  readonly dtype?: FloatDtype;
  readonly pooling?: Pooling;
}

/** The small backbone and what an adapter for it looks like. */
export interface SmallModel {
  readonly backbone: Backbone;
  readonly bytes: Uint8Array;
  readonly config: unknown;
  readonly specification: AdapterSpecification;
  readonly layout: AdapterLayout;
}

/** D = 48, three heads, patches of 8 in images of 32 pixels: 17 tokens. */
export function smallConfiguration(blocks: number): BackboneConfiguration {
  return {
    dimension: 48,
    blocks,
    heads: 3,
    mlpDimension: 96,
    patchSize: 8,
    imageSize: 32,
    channels: 3,
    layerNormEpsilon: 1e-6,
    activation: 'gelu',
    pooling: 'cls',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
}

/** Make the small backbone; scale = alpha / rank is 2 by default, so that a forgotten scale shows. */
export async function smallModel(options: SmallOptions = {}): Promise<SmallModel> {
  const { blocks = 3, rank = 4, classes = ['a', 'b', 'c'], dtype = 'F32' } = options;
  const configuration = smallConfiguration(blocks);
  const { bytes, config } = randomBackboneFile({
    configuration,
    seed: 'small',
    spelling: 'timm',
    dtype,
  });
  const backbone = await openBackbone({ source: memorySource(bytes), config });
  const alpha = options.alpha ?? 2 * rank;
  const shape = { rank, alpha, classes, dimension: 48, blocks };
  const specification = adapterSpecification({ ...shape, pooling: options.pooling ?? 'cls' });
  return { backbone, bytes, config, specification, layout: adapterLayout(specification) };
}

/** Adapter values that are nowhere zero: normal, standard deviation 0.15. */
export function randomAdapter(layout: AdapterLayout, seed: string): Float32Array {
  const rng = seededRng(`adapter/${seed}`);
  return Float32Array.from({ length: layout.size }, () => 0.15 * rng.nextNormal());
}

/** Normal pixels and soft targets whose rows sum to one. */
export function randomBatch(count: number, classes: number, seed: string): Batch {
  const rng = seededRng(`batch/${seed}`);
  const images = Float32Array.from({ length: count * 3 * 32 * 32 }, () => rng.nextNormal());
  const targets = new Float32Array(count * classes).fill(0.1 / classes);
  for (let b = 0; b < count; b++) {
    const index = b * classes + rng.nextInteger(classes);
    targets[index] = (targets[index] ?? 0) + 0.9;
  }
  return { count, images, targets };
}

/** Two images of three classes under each loss, with weights that differ and, in `masked`, labels that are not known. */
export function lossBatches(
  seed: string,
): Readonly<Record<'classes' | 'binary' | 'masked', Batch>> {
  const { count, images, targets } = randomBatch(2, 3, seed);
  const findings = Float32Array.of(1, 0, 0.05, 0.95, 1, 0);
  const binary = { count, images, targets: findings, loss: 'binary-cross-entropy' } as const;
  return {
    classes: { count, images, targets, loss: 'cross-entropy', weights: Float32Array.of(0.25, 2) },
    binary,
    masked: { ...binary, weights: Float32Array.of(0.5, 0, 3, 1, 0, 2) },
  };
}

/** Run with a folder that is removed afterwards. */
export async function withTemporaryDirectory<T>(run: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), 'melo-engine-'));
  try {
    return await run(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}
