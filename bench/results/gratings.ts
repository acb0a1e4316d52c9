/**
 * Same or different orientation: a task on which a linear probe falls behind and A and B must learn.
 *
 * The images are drawn here; the backbone is the pretrained ViT-Tiny of the shared folder.
 */
import { join } from 'node:path';
import { createEngine, loadBackbone } from '#core/engine';
import { compareOnGratings } from '../../test/support/gratings.ts';
import type { ResultsContext, ResultsTable } from './table.ts';

/** One seed's areas under the curve. */
export interface GratingsRow {
  readonly seed: number;
  readonly probe: number;
  readonly melo: number;
  readonly difference: number;
}

const trainCount = 320;
const heldOutCount = 240;
const epochs = 4;

/** Compare probe and MeLo once for each seed. */
export async function gratingsTable(options: {
  readonly seeds: readonly number[];
  readonly sharedDirectory: string;
  /** Of the engine: graphs and a link to the weights. */
  readonly cacheDirectory: string;
  readonly threads?: number;
  readonly onProgress: (message: string) => void;
}): Promise<GratingsRow[]> {
  const { seeds, sharedDirectory, cacheDirectory, threads, onProgress } = options;
  const directory = join(sharedDirectory, 'backbones', 'vit_tiny_patch16_224');
  const backbone = await loadBackbone(directory);
  const engine = await createEngine({
    engine: 'onnx',
    cacheDirectory,
    ...(threads === undefined ? {} : { threads }),
  });
  const rows: GratingsRow[] = [];
  for (const seed of seeds) {
    const { probe, melo } = await compareOnGratings({
      engine,
      backbone,
      seed,
      trainCount,
      heldOutCount,
      epochs,
      progress: onProgress,
    });
    rows.push({ seed, probe, melo, difference: melo - probe });
    onProgress(`seed ${seed}: probe ${probe.toFixed(3)}, MeLo ${melo.toFixed(3)}`);
  }
  await backbone.close();
  return rows;
}

/** Make the table of docs/results.md. */
export async function run(context: ResultsContext): Promise<ResultsTable> {
  const { seeds, sharedDirectory, workDirectory } = context;
  const rows = await gratingsTable({
    seeds,
    sharedDirectory,
    cacheDirectory: join(workDirectory, 'engine'),
    onProgress: (message) => context.progress(message),
  });
  return {
    title: 'Gratings: what A and B learn that a linear probe does not',
    command: `npm run results -- gratings --seeds ${seeds.join(',')}`,
    columns: ['seed', 'linear probe, AUC', 'MeLo, AUC', 'difference'],
    rows: rows.map(({ seed, probe, melo, difference }) => [
      seed,
      ...[probe, melo, difference].map((value) => value.toFixed(3)),
    ]),
    notes: [
      `ViT-Tiny, r = 4, AdamW with a cosine, batch 16, ${trainCount} training and ${heldOutCount} held-out images, ${epochs} epochs; ` +
        'learning rate 2e-3 for MeLo, 5e-3 for the probe.',
      'Each image has two squares of 32 x 32 pixels with waves of 16 pixels, one somewhere in the left and one in the right half, ' +
        'on Gaussian noise (amplitude 50, noise 25 grey levels around 128); the class is whether they have the same orientation or stand at right angles.',
    ],
  };
}
