/**
 * Drawn images on which a linear probe falls behind: two small gratings somewhere in the left and the right half, of the
 * same orientation or at right angles. Each alone says nothing about the class; only comparing them does.
 */
import { adapterSpecification, initialAdapter, resolveTrainedTensors } from '#core/adapter';
import type { AdapterLayout } from '#core/adapter';
import type { Backbone } from '#core/backbone';
import type { TrainingEngine } from '#core/engine';
import { exactAuc } from '#core/evaluation';
import { trainingPlanSchema } from '#core/protocol';
import type { TrainingPlan } from '#core/protocol';
import { seededRng } from '#core/rng';
import type { SeededRng } from '#core/rng';
import { predictShares, trainLocally } from '#core/training';
import type { LabelledImages } from '#core/training';

/** Class names in the order of their indices. */
export const gratingClasses = ['different', 'same'] as const;

/** How the images look; the figures of docs/results.md are for the defaults. */
export interface GratingsOptions {
  readonly count: number;
  /** Text; other seeds give other images. */
  readonly seed: string;
  /** S, pixels along one side. */
  readonly imageSize?: number;
  /** Pixels along one side of the square that has waves. */
  readonly patchSizePx?: number;
  /** Pixels of one wave. */
  readonly periodPx?: number;
  /** Grey levels from the middle to the crest. */
  readonly amplitude?: number;
  /** Standard deviation of the noise, grey levels. */
  readonly noiseStd?: number;
}

/** A square of waves in one half of the image. */
interface Patch {
  readonly left: number;
  readonly top: number;
  /** Height of the wave at a pixel, in [-1, 1]. */
  readonly wave: (x: number, y: number) => number;
}

/** Place a patch in the half that begins at `halfLeft`: waves across `angle`, from a random phase. */
function placePatch(
  rng: SeededRng,
  halfLeft: number,
  angle: number,
  size: { readonly imageSize: number; readonly patchSizePx: number; readonly periodPx: number },
): Patch {
  const { imageSize, patchSizePx, periodPx } = size;
  const left = halfLeft + rng.nextInteger(imageSize / 2 - patchSizePx + 1);
  const top = rng.nextInteger(imageSize - patchSizePx + 1);
  const phase = 2 * Math.PI * rng.nextFloat();
  const along = ((2 * Math.PI) / periodPx) * Math.cos(angle);
  const across = ((2 * Math.PI) / periodPx) * Math.sin(angle);
  return { left, top, wave: (x, y) => Math.sin(along * x + across * y + phase) };
}

/** Draw one image's grey levels, (S,S). */
function drawImage(rng: SeededRng, isSame: boolean, options: GratingsOptions): Uint8ClampedArray {
  const { imageSize = 224, patchSizePx = 32, periodPx = 16 } = options;
  const { amplitude = 50, noiseStd = 25 } = options;
  const size = { imageSize, patchSizePx, periodPx };
  const angle = Math.PI * rng.nextFloat();
  const patches = [
    placePatch(rng, 0, angle, size),
    placePatch(rng, imageSize / 2, isSame ? angle : angle + Math.PI / 2, size),
  ];
  const grey = Float64Array.from(
    { length: imageSize ** 2 },
    () => 128 + noiseStd * rng.nextNormal(),
  );
  for (const { left, top, wave } of patches) {
    for (let y = top; y < top + patchSizePx; y++) {
      for (let x = left; x < left + patchSizePx; x++) {
        const at = y * imageSize + x;
        grey[at] = (grey[at] ?? 0) + amplitude * wave(x, y);
      }
    }
  }
  return Uint8ClampedArray.from(grey);
}

/** Normalise for mean = std = 0.5 and repeat to three channels: (S,S) -> (3,S,S). */
function toInput(grey: Uint8ClampedArray): Float32Array {
  const image = new Float32Array(3 * grey.length);
  const plane = Float32Array.from(grey, (level) => level / 127.5 - 1);
  for (let channel = 0; channel < 3; channel++) image.set(plane, channel * plane.length);
  return image;
}

/** Draw labelled images, as many of each class, in turn; each is drawn when first asked for and kept as grey levels. */
export function gratings(options: GratingsOptions): LabelledImages {
  const { count, seed } = options;
  const drawn = new Map<number, Uint8ClampedArray>();
  const load = async (index: number): Promise<Float32Array> => {
    const grey =
      drawn.get(index) ??
      drawImage(seededRng(`gratings/${seed}/${index}`), index % 2 === 1, options);
    drawn.set(index, grey);
    return toInput(grey);
  };
  return { count, labels: Array.from({ length: count }, (_, index) => index % 2), load };
}

/** One comparison of a linear probe with MeLo. */
export interface GratingsComparison {
  readonly engine: TrainingEngine;
  readonly backbone: Backbone;
  /** Fixes the images, A's initial values and the order of batches. */
  readonly seed: number;
  readonly trainCount: number;
  readonly heldOutCount: number;
  readonly epochs: number;
  /** 16 where it is left out. */
  readonly batchSize?: number;
  /** MeLo's, 2e-3 where it is left out; the probe's is a usual, higher one, 5e-3. */
  readonly learningRate?: number;
  readonly progress: (message: string) => void;
}

/** Areas under the curve on the held-out images, and the adapter that MeLo trained. */
export interface GratingsOutcome {
  readonly probe: number;
  readonly melo: number;
  readonly layout: AdapterLayout;
  readonly values: Float32Array;
}

const probeLearningRate = 5e-3;

function gratingsPlan(part: 'head' | 'all', options: GratingsComparison): TrainingPlan {
  const { epochs, batchSize = 16, learningRate = 2e-3 } = options;
  return trainingPlanSchema.parse({
    version: 1,
    optimiser: { name: 'adamw', learningRate: part === 'head' ? probeLearningRate : learningRate },
    schedule: { name: 'cosine', totalRounds: 1 },
    duration: { unit: 'epochs', count: epochs },
    batchSize,
    loss: { name: 'cross-entropy' },
    augmentation: { name: 'none' },
    seed: 1,
  });
}

/** Train a linear probe and MeLo on the same gratings in the same order, and score both on others. */
export async function compareOnGratings(options: GratingsComparison): Promise<GratingsOutcome> {
  const { engine, backbone, seed, trainCount, heldOutCount, progress } = options;
  const { dimension, blocks } = backbone.configuration;
  const specification = adapterSpecification({
    rank: 4,
    alpha: 4,
    classes: [...gratingClasses],
    dimension,
    blocks,
  });
  const model = await engine.load(backbone, specification);
  const global = initialAdapter(specification, seed.toString(16).padStart(64, '0'));
  const images = gratings({ count: trainCount, seed: `train/${seed}` });
  const heldOut = gratings({ count: heldOutCount, seed: `held out/${seed}` });

  const train = async (part: 'head' | 'all'): Promise<{ auc: number; values: Float32Array }> => {
    const { values } = await trainLocally({
      model,
      plan: gratingsPlan(part, options),
      images,
      global,
      trainedTensors: resolveTrainedTensors(part, model.layout),
      scheduleOffset: 0,
      stream: `gratings/${seed}`,
      onProgress: ({ step, steps, loss }) => {
        if (step % 10 === 0)
          progress(`seed ${seed}, ${part}: step ${step} of ${steps}, loss ${loss.toFixed(3)}`);
      },
    });
    const shares = await predictShares({ model, images: heldOut, adapter: values, classes: 2 });
    const same = shares.filter((_share, index) => index % 2 === 1);
    const auc = exactAuc(
      same,
      Array.from(same, (_share, index) => index % 2 === 1),
    );
    return { auc: auc ?? Number.NaN, values };
  };
  const probe = await train('head');
  const melo = await train('all');
  await model.dispose();
  return { probe: probe.auc, melo: melo.auc, layout: model.layout, values: melo.values };
}
