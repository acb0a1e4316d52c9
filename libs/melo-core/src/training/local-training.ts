/**
 * One local round at a site: from the global adapter to the local one, step by step, able to go on after a kill.
 *
 * The result depends on the options alone: the same images, plan, stream and global adapter give the same bytes, with or
 * without a stop and resume in between.
 */
import { resolveTrainedTensors } from '#core/adapter';
import type { AdapterLayout } from '#core/adapter';
import { checkFinite, checkInteger, checkLength } from '#core/check';
import type { StepResult } from '#core/engine';
import { assert, InputError, StateError } from '#core/errors';
import { adamwStep, freshAdamwState } from './adamw.ts';
import type { AdamwState, TrainedRange } from './adamw.ts';
import { batchOrder, batchStream, localSteps } from './batches.ts';
import { loadedBatches } from './image-batches.ts';
import { smoothedTargets } from './loss.ts';
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

function trainedRanges(layout: AdapterLayout, names: readonly string[]): readonly TrainedRange[] {
  const trained = new Set(resolveTrainedTensors(names, layout));
  if (trained.size > 0) return layout.tensors.filter(({ name }) => trained.has(name));
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
  ranges: readonly TrainedRange[],
  steps: number,
): Progress {
  const { global, resumeFrom } = options;
  if (resumeFrom === undefined) {
    return { step: 0, lossSum: 0, values: global.slice(), state: freshAdamwState(global.length) };
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
 * AdamW from a fresh state, the rate by the schedule's position, batches in an order fixed by plan and stream. Tensors that
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
  const { model, plan, images } = options;
  const ranges = trainedRanges(model.layout, options.trainedTensors);
  const steps = localSteps(plan, images.count);
  const progress = begin(options, ranges, steps);
  const rng = options.resumeFrom?.state.rng ?? batchStream(plan, options.stream);
  const { batchSize } = plan;
  const orderOptions = { images: images.count, batchSize, step: progress.step };
  const order = batchOrder({ ...orderOptions, rng }); // runs ahead, with the images that are loaded
  const done = batchOrder({ ...orderOptions, rng }); // runs with the steps, for checkpoints
  const batches = takeBatches(() => order.next(), steps - progress.step);

  options.signal?.throwIfAborted();
  for await (const batch of loadedBatches(images, batches)) {
    options.signal?.throwIfAborted();
    await takeStep(options, { ranges, steps }, progress, batch);
    done.next();
    await keepCheckpoint(options, progress, steps, done.epochStart());
  }
  const { values, lossSum } = progress;
  return { values: checkFinite(values, 'local adapter'), steps, meanLoss: lossSum / steps };
}

async function takeStep(
  options: LocalTrainingOptions,
  round: { readonly ranges: readonly TrainedRange[]; readonly steps: number },
  progress: Progress,
  batch: { readonly pixels: Float32Array; readonly labels: readonly number[] },
): Promise<void> {
  const { model, plan, scheduleOffset, trainedTensors } = options;
  const { ranges, steps } = round;
  const { step, values, state } = progress;
  const { pixels, labels } = batch;
  const targets = smoothedTargets(labels, classCount(model.layout), plan.loss.labelSmoothing);
  const part = trainedTensors.every((name) => name.startsWith('head.')) ? 'head' : 'all';
  const result = await model.step({ count: labels.length, images: pixels, targets }, values, part);
  checkStep(result, step, steps);
  const learningRate = learningRateAt(plan, schedulePosition(scheduleOffset, step, steps));
  adamwStep(values, state, plan.optimiser, {
    gradients: result.gradients,
    ranges,
    step: step + 1,
    learningRate,
  });
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
