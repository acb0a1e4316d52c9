/**
 * Predictions for many tasks on one loaded backbone: each image names the adapter that it is for.
 *
 * Letters: S image size, C classes of an image's own task.
 */
import { activationOf, type AdapterCard } from '#core/adapter';
import { assert } from '#core/errors';
import type { MultiTaskModel } from '#core/engine';
import { checkLength } from '#core/check';
import { scoresOf } from '#core/evaluation';
import type { AdapterLibrary, LibraryAdapter } from './adapter-library.ts';

/** Images in one run: memory stays that of a few, however many are asked for. */
export const imagesPerRunMax = 32;

/** An image and the adapter it is for. */
export interface PredictionRequest {
  /** As the library knows it. */
  readonly adapter: string;
  /** Refuse any other bytes of that name. */
  readonly digest?: string | undefined;
  /** Pixels, (3,S,S), normalised as that adapter's card says. */
  readonly image: Float32Array;
}

/** What one adapter says of one image. */
export interface Prediction {
  readonly card: AdapterCard;
  /** Of the adapter's file. */
  readonly digest: string;
  /** (C). */
  readonly logits: Float32Array;
  /** Scores in float64 as the card's activation has them, (C): shares that sum to 1, or a sigmoid for each class by itself. */
  readonly shares: readonly number[];
}

/** What {@link predictTasks} needs. */
export interface TaskPredictorOptions {
  readonly model: MultiTaskModel;
  readonly library: AdapterLibrary;
  /** S of the backbone. */
  readonly imageSize: number;
}

/**
 * Predict images of any tasks.
 *
 * They are taken adapter by adapter, so one that is not kept is read once a call, and runs of one task stay of one task.
 *
 * @param options - model, library and image size
 * @param requests - in any order
 * @returns a prediction for each request, in their order
 * @throws InputError UPDATE_SHAPE_MISMATCH where an image has another size, and what `AdapterLibrary.get` and the model throw
 */
export async function predictTasks(
  options: TaskPredictorOptions,
  requests: readonly PredictionRequest[],
): Promise<Prediction[]> {
  const predictions = new Array<Prediction>(requests.length);
  const order = byAdapter(requests);
  for (let start = 0; start < order.length; start += imagesPerRunMax) {
    const run = order.slice(start, start + imagesPerRunMax);
    const made = await predictRun(
      options,
      run.map(({ request }) => request),
    );
    for (const [at, { index }] of run.entries()) {
      const prediction = made[at];
      assert(prediction !== undefined, 'predictions: expected one for each image');
      predictions[index] = prediction;
    }
  }
  return predictions;
}

interface PlacedRequest {
  readonly index: number;
  readonly request: PredictionRequest;
}

/** Put requests of one adapter next to each other, adapters in the order of their first request. */
function byAdapter(requests: readonly PredictionRequest[]): PlacedRequest[] {
  const groups = new Map<string, PlacedRequest[]>();
  for (const [index, request] of requests.entries()) {
    const group = groups.get(request.adapter);
    if (group === undefined) groups.set(request.adapter, [{ index, request }]);
    else group.push({ index, request });
  }
  return [...groups.values()].flat();
}

async function predictRun(
  { model, library, imageSize }: TaskPredictorOptions,
  requests: readonly PredictionRequest[],
): Promise<Prediction[]> {
  const numbers = 3 * imageSize * imageSize;
  const images = new Float32Array(requests.length * numbers); // (B,3,S,S)
  for (const [row, { image }] of requests.entries()) {
    images.set(checkLength(image, numbers, 'image'), row * numbers);
  }
  const adapters: LibraryAdapter[] = [];
  // One after the other: files of one run are few, and a call does not open dozens at once.
  for (const { adapter, digest } of requests) adapters.push(await library.get(adapter, digest));
  const logits = await model.predict(images, sameObjects(adapters));
  return adapters.map(({ card, digest }, row) => {
    const own = logits[row];
    assert(own !== undefined, 'logits: expected some for each image');
    return { card, digest, logits: own, shares: [...scoresOf(own, activationOf(card))] };
  });
}

/** Two readings of one file in one run are one adapter. */
function sameObjects(adapters: readonly LibraryAdapter[]): LibraryAdapter[] {
  const byDigest = new Map<string, LibraryAdapter>();
  return adapters.map((adapter) => {
    const first = byDigest.get(adapter.digest);
    if (first === undefined) byDigest.set(adapter.digest, adapter);
    return first ?? adapter;
  });
}
