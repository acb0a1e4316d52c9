/** `melo adapter predict`: use adapters on images of this machine, any number of them on one loaded backbone. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { activationOf, adapterNotice } from '#core/adapter';
import { canonicalJson } from '#core/bytes';
import { fingerprintBackbone } from '#core/backbone';
import { createEngine, loadBackbone } from '#core/engine';
import { InputError } from '#core/errors';
import { isYes } from '#core/evaluation';
import {
  AdapterLibrary,
  imagesPerRunMax,
  predictTasks,
  type Prediction,
  type PredictionRequest,
  type TaskPredictorOptions,
} from '#core/inference';
import { limits, type Preprocessing } from '#core/protocol';
import { decodeImage } from '../data/decode-image.ts';
import { normaliseImage } from '../data/normalise.ts';
import { readWithin, standardOutput, type CommandOutput } from './adapter-files.ts';

/** What adapters of one command may take in memory, bytes; the least used are read again beyond it. */
const libraryBytesMax = 1024 ** 3;

/** What {@link predictImages} needs. */
export interface PredictOptions {
  /** Adapter files, one or more, all of one backbone. */
  readonly adapters: readonly string[];
  readonly images: readonly string[];
  /** The backbone's folder. */
  readonly backbone: string;
  readonly isJson: boolean;
  readonly output?: CommandOutput;
}

interface Context extends TaskPredictorOptions {
  readonly options: PredictOptions;
  readonly output: CommandOutput;
}

/**
 * Print class probabilities of each image by each adapter; an image that cannot be read is named and the others go on.
 *
 * @returns how many images failed
 * @throws InputError BACKBONE_MISMATCH naming the adapter where the backbone is not the one it was trained on
 */
export async function predictImages(options: PredictOptions): Promise<number> {
  const output = options.output ?? standardOutput;
  output.warn(adapterNotice);
  const backbone = await loadBackbone(options.backbone);
  try {
    const fingerprint = await fingerprintBackbone(backbone);
    const library = new AdapterLibrary({
      backbone: { name: backbone.name, fingerprint },
      bytesMax: libraryBytesMax,
      read: (file) => readWithin(file, limits.updateBytesMax),
    });
    // Before anything is loaded: a wrong file is told at once, not after minutes of images.
    for (const adapter of options.adapters) await library.get(adapter);
    const cacheDirectory = join(tmpdir(), 'melo-engine-cache');
    const engine = await createEngine({ engine: 'onnx', cacheDirectory });
    const model = await engine.loadMultiTask(backbone);
    const { imageSize } = backbone.configuration;
    try {
      return await predictAll({ model, library, imageSize, options, output });
    } finally {
      await model.dispose();
    }
  } finally {
    await backbone.close();
  }
}

/** Take images in groups that fill one run, every adapter on each. */
async function predictAll(context: Context): Promise<number> {
  const { images, adapters } = context.options;
  const groupSize = Math.max(1, Math.floor(imagesPerRunMax / adapters.length));
  let failed = 0;
  for (let start = 0; start < images.length; start += groupSize) {
    failed += await predictGroup(context, images.slice(start, start + groupSize));
  }
  if (failed > 0) context.output.warn(`${failed} of ${images.length} images could not be read`);
  return failed;
}

async function predictGroup(context: Context, images: readonly string[]): Promise<number> {
  const { options, output } = context;
  const requests: PredictionRequest[] = [];
  const rows: { readonly image: string; readonly adapter: string }[] = [];
  let failed = 0;
  for (const image of images) {
    try {
      const own = await requestsFor(context, image);
      requests.push(...own);
      rows.push(...own.map(({ adapter }) => ({ image, adapter })));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      failed += 1;
      output.warn(error.message);
      if (options.isJson) {
        output.say(JSON.stringify({ event: 'unreadable', image, code: error.code }));
      }
    }
  }
  const predictions = await predictTasks(context, requests);
  for (const [at, { image, adapter }] of rows.entries()) {
    const prediction = predictions[at];
    if (prediction !== undefined) print(context, image, adapter, prediction);
  }
  return failed;
}

/** One image for every adapter; adapters that prepare images alike share its pixels. */
async function requestsFor(
  { library, options }: Context,
  image: string,
): Promise<PredictionRequest[]> {
  const prepared = new Map<string, Float32Array>();
  const requests: PredictionRequest[] = [];
  for (const adapter of options.adapters) {
    const { preprocessing } = (await library.get(adapter)).card;
    const key = canonicalJson(preprocessing);
    const pixels = prepared.get(key) ?? (await prepare(image, preprocessing));
    prepared.set(key, pixels);
    requests.push({ adapter, image: pixels });
  }
  return requests;
}

async function prepare(image: string, preprocessing: Preprocessing): Promise<Float32Array> {
  return normaliseImage(await decodeImage(image, preprocessing), preprocessing);
}

function print(
  { options, output }: Context,
  image: string,
  adapter: string,
  { card, digest, shares }: Prediction,
): void {
  const { task, version } = card;
  const activation = activationOf(card);
  const scores = card.classes.map((name, index) => ({ name, share: shares[index] ?? 0 }));
  if (options.isJson) {
    const names = { image, adapter, task, version, digest, activation };
    const probabilities = Object.fromEntries(scores.map(({ name, share }) => [name, share]));
    const answers = Object.fromEntries(scores.map(({ name, share }) => [name, isYes(share)]));
    const figures = activation === 'sigmoid' ? { probabilities, answers } : { probabilities };
    output.say(JSON.stringify({ event: 'prediction', ...names, ...figures }));
    return;
  }
  const parts = scores.map(({ name, share }) => {
    const answer = isYes(share) ? ' yes' : ' no';
    return `${name} ${(100 * share).toFixed(1)} %${activation === 'sigmoid' ? answer : ''}`;
  });
  const by = options.adapters.length > 1 ? ` by ${task} version ${version}` : '';
  output.say(`${image}${by}: ${parts.join(', ')}`);
}
