/**
 * One local round at a site: from the global adapter to the local one, step by step, able to go on after a kill.
 *
 * The result depends on the options alone: the same images, plan, stream and global adapter give the same bytes, with or
 * without a stop and resume in between.
 */
import { resolveTrainedTensors } from '#core/adapter';
import type { AdapterLayout } from '#core/adapter';
import { checkFinite, checkInteger, checkLength } from '#core/check';
import type { StepResult, TrainedPart } from '#core/engine';
import { assert, InputError, StateError } from '#core/errors';
import { adamwStep, freshAdamwState } from './adamw.ts';
import { withLogPriors } from './class-prior.ts';
import { addProximalGradient } from './proximal.ts';
import type { KeptMoments } from './site-state.ts';
import type { AdamwState, TrainedRange } from './adamw.ts';
import { changeImage, drawChange } from './augmentation.ts';
import { batchOrder, batchStream, localSteps } from './batches.ts';
import { applyDropout, drawDropout } from './dropout.ts';
import { boundGradient } from './gradients.ts';
import { loadedBatches } from './image-batches.ts';
import type { ChangePixels, LoadedBatch } from './image-batches.ts';
import { lossInputs } from './loss.ts';
import { learningRateAt, schedulePosition } from './schedule.ts';
import type { LocalTrainingOptions, LocalTrainingResult, TrainingCheckpoint } from './types.ts';

/** Steps between checkpoints where the caller does not say. */
const checkpointEveryStepsDefault = 20;

/** Where a local round stands; its arrays change in place. */
interface Progress {
  step: number;
  lossSum: number;
  readonly values: Float32Array;
  readonly state: AdamwState;
}

/** C, the classes of an adapter: the length of its head's bias. */
function classCount(layout: AdapterLayout): number {
  const bias = layout.tensors.find(({ name }) => name === 'head.bias');
  assert(bias !== undefined, 'layout: expected a head.bias');
  return bias.size;
}

/** A trained tensor. */
type NamedRange = TrainedRange & { readonly name: string; readonly stepsBefore: number };

function trainedRanges({ model, ...options }: LocalTrainingOptions): readonly NamedRange[] {
  const { trainedTensors, moments, plan } = options;
  const { rateRatioOfB = 1 } = plan.optimiser;
  const trained = new Set(resolveTrainedTensors(trainedTensors, model.layout));
  const ranges = model.layout.tensors.filter(({ name }) => trained.has(name));
  if (ranges.length > 0) {
    return ranges.map(({ name, offset, size }) => {
      const rateFactor = name.endsWith('.lora_B') ? rateRatioOfB : 1;
      return { name, offset, size, rateFactor, stepsBefore: moments?.get(name)?.steps ?? 0 };
    });
  }
  throw new InputError(
    'LAYOUT_MISMATCH',
    'trained tensors: expected one or more, got none; correct the task definition',
  );
}

/** Tell which numbers (P) are trained. */
function trainedMask(size: number, ranges: readonly TrainedRange[]): Uint8Array {
  const mask = new Uint8Array(size);
  for (const { offset, size: length } of ranges) mask.fill(1, offset, offset + length);
  return mask;
}

function checkResume(
  checkpoint: TrainingCheckpoint,
  global: Float32Array,
  ranges: readonly TrainedRange[],
  steps: number,
): void {
  const { state, values, firstMoment, secondMoment } = checkpoint;
  const arrays = [values, firstMoment, secondMoment];
  const mask = trainedMask(global.length, ranges);
  const isOurs =
    state.step <= steps &&
    arrays.every(({ length }) => length === global.length) &&
    values.every((value, index) => mask[index] === 1 || Object.is(value, global[index]));
  if (isOurs) return;
  throw new StateError(
    'CHECKPOINT_INVALID',
    `checkpoint at step ${state.step} of ${values.length} numbers: expected one of this round, at most step ${steps} of ` +
      `${global.length} numbers from the same global adapter; train this round from its start`,
    { step: state.step, steps },
  );
}

function begin(
  options: LocalTrainingOptions,
  ranges: readonly NamedRange[],
  steps: number,
): Progress {
  const { global, resumeFrom, moments } = options;
  if (resumeFrom === undefined) {
    const state = freshAdamwState(global.length);
    for (const { name, offset, size } of ranges) {
      const kept = moments?.get(name);
      if (kept === undefined) continue;
      state.firstMoment.set(checkLength(kept.first, size, `first moment of ${name}`), offset);
      state.secondMoment.set(checkLength(kept.second, size, `second moment of ${name}`), offset);
    }
    return { step: 0, lossSum: 0, values: global.slice(), state };
  }
  checkResume(resumeFrom, global, ranges, steps);
  const state = {
    firstMoment: resumeFrom.firstMoment.slice(),
    secondMoment: resumeFrom.secondMoment.slice(),
  };
  const { step, lossSum } = resumeFrom.state;
  return { step, lossSum, values: resumeFrom.values.slice(), state };
}

/** Refuse a step whose numbers would spoil the adapter for good. */
function checkStep(result: StepResult, step: number, steps: number): void {
  if (Number.isFinite(result.loss) && result.gradients.every(Number.isFinite)) return;
  throw new InputError(
    'NON_FINITE_UPDATE',
    `training step ${step + 1} of ${steps}: expected a finite loss and gradient, got one that is not; ` +
      'lower the learning rate of the plan, or check the images of this site',
    { step: step + 1, steps },
  );
}

function* takeBatches(next: () => readonly number[], count: number): Generator<readonly number[]> {
  for (let index = 0; index < count; index++) yield next();
}

function checkOptions(options: LocalTrainingOptions): void {
  const { model, global, images } = options;
  checkFinite(checkLength(global, model.layout.size, 'global adapter'), 'global adapter');
  if (Number.isSafeInteger(images.count) && images.count >= 1) return;
  throw new InputError(
    'DATASET_INVALID',
    `training images: expected one or more, got ${images.count}; give the site images of this task`,
    { count: images.count },
  );
}

/**
 * Train one local round.
 *
 * AdamW from a fresh state, or from the moments that are handed in, the rate by the schedule's position, batches in an order fixed by plan and stream. Tensors that
 * are not trained come out byte-equal. The next batch's images load while a step runs.
 *
 * @param options - see {@link LocalTrainingOptions}; nothing of it is changed
 * @returns the local adapter (P), new, with its steps and mean loss
 * @throws InputError NON_FINITE_UPDATE naming the step where loss or gradient is not finite
 * @throws InputError DATASET_INVALID without images or with a label that is no class, LAYOUT_MISMATCH on a trained tensor
 *   that the layout lacks, UPDATE_SHAPE_MISMATCH where `global` is not P long
 * @throws StateError CHECKPOINT_INVALID if `resumeFrom` is not of this round
 * @throws the signal's reason once it is aborted, between two steps
 */
export async function trainLocally(options: LocalTrainingOptions): Promise<LocalTrainingResult> {
  checkOptions(options);
  const { plan, images } = options;
  const ranges = trainedRanges(options);
  const steps = localSteps(plan, images.count);
  const progress = begin(options, ranges, steps);
  const rng = options.resumeFrom?.state.rng ?? batchStream(plan, options.stream);
  const { batchSize } = plan;
  const orderOptions = { images: images.count, batchSize, step: progress.step };
  const order = batchOrder({ ...orderOptions, rng }); // runs ahead, with the images that are loaded
  const done = batchOrder({ ...orderOptions, rng }); // runs with the steps, for checkpoints
  const batches = takeBatches(() => order.next(), steps - progress.step);

  options.signal?.throwIfAborted();
  const change = augmentation(options, progress.step);
  for await (const batch of loadedBatches(images, batches, change)) {
    options.signal?.throwIfAborted();
    await takeStep(options, { ranges, steps }, progress, batch);
    done.next();
    await keepCheckpoint(options, progress, steps, done.epochStart());
  }
  const { values, lossSum } = progress;
  const moments = momentsOf(progress.state, ranges, steps);
  return {
    values: checkFinite(values, 'local adapter'),
    steps,
    meanLoss: lossSum / steps,
    moments,
  };
}

/** The moments of every trained tensor. */
function momentsOf(
  { firstMoment, secondMoment }: AdamwState,
  ranges: readonly NamedRange[],
  steps: number,
): ReadonlyMap<string, KeptMoments> {
  return new Map(
    ranges.map(({ name, offset, size, stepsBefore }) => [
      name,
      {
        steps: stepsBefore + steps,
        first: firstMoment.slice(offset, offset + size),
        second: secondMoment.slice(offset, offset + size),
      },
    ]),
  );
}

/** How images of this round change as they enter a batch; the first batch is that of step `firstStep`. */
function augmentation(options: LocalTrainingOptions, firstStep: number): ChangePixels | undefined {
  const { plan, images, stream } = options;
  const settings = plan.augmentation;
  if (settings.name === 'none') return undefined;
  const stepsPerEpoch = Math.ceil(images.count / plan.batchSize);
  return (pixels, index, batch) => {
    const epoch = Math.floor((firstStep + batch) / stepsPerEpoch);
    const seed = `${plan.seed}/${stream}/augmentation/${epoch}/${index}`;
    return changeImage(pixels, drawChange(settings, seed));
  };
}

/** The loss and its gradient at the adapter of a step, with the step's dropout and the site's class shares. */
async function differentiate(
  options: LocalTrainingOptions,
  { step, values: own }: Progress,
  batch: LoadedBatch,
): Promise<StepResult> {
  const { model, plan, stream, trainedTensors, logPriors } = options;
  const values = logPriors === undefined ? own : withLogPriors(model.layout, own, logPriors);
  const { pixels, labels, findings } = batch;
  const isHeadAlone = trainedTensors.every((name) => name.startsWith('head.'));
  const part: TrainedPart = isHeadAlone ? 'head' : 'all';
  const asked = lossInputs(plan.loss, labels, findings, classCount(model.layout));
  const images = { count: labels.length, images: pixels, ...asked };
  const rate = plan.loraDropout ?? 0;
  if (rate === 0 || isHeadAlone) return model.step(images, values, part);
  const dropout = drawDropout(model.layout, rate, `${plan.seed}/${stream}/dropout/${step}`);
  const { loss, gradients } = await model.step(images, applyDropout(dropout, values), part);
  return { loss, gradients: applyDropout(dropout, gradients) };
}

async function takeStep(
  options: LocalTrainingOptions,
  round: { readonly ranges: readonly NamedRange[]; readonly steps: number },
  progress: Progress,
  batch: LoadedBatch,
): Promise<void> {
  const { plan, scheduleOffset } = options;
  const { ranges, steps } = round;
  const { step, values, state } = progress;
  const result = await differentiate(options, progress, batch);
  checkStep(result, step, steps);
  const { gradients } = result;
  const { proximal, global } = options;
  if (proximal !== undefined) {
    const held = ranges.filter(({ name }) => proximal.trainedTensors.includes(name));
    addProximalGradient(gradients, values, global, held, proximal.weight);
  }
  const { gradientNormMax } = plan.optimiser;
  if (gradientNormMax !== undefined) boundGradient(gradients, ranges, gradientNormMax);
  const learningRate = learningRateAt(plan, schedulePosition(scheduleOffset, step, steps));
  adamwStep(values, state, plan.optimiser, { gradients, ranges, step: step + 1, learningRate });
  progress.step += 1;
  progress.lossSum += result.loss;
  options.onProgress?.({ step: progress.step, steps, loss: result.loss });
}

async function keepCheckpoint(
  options: LocalTrainingOptions,
  progress: Progress,
  steps: number,
  rng: TrainingCheckpoint['state']['rng'],
): Promise<void> {
  const { onCheckpoint } = options;
  const every = checkInteger(
    options.checkpointEverySteps ?? checkpointEveryStepsDefault,
    'checkpointEverySteps',
    { minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
  );
  const { step, lossSum, values, state } = progress;
  if (onCheckpoint === undefined || step % every !== 0 || step >= steps) return;
  await onCheckpoint({
    state: { version: 1, step, lossSum, rng },
    values: values.slice(),
    firstMoment: state.firstMoment.slice(),
    secondMoment: state.secondMoment.slice(),
  });
}
