/** Which images stand in which step: every epoch a new order from a seeded stream, the last, smaller batch kept. */
import { restoreRng, seededRng } from '#core/rng';
import type { RngState } from '#core/rng';
import type { TrainingPlan } from '#core/protocol';

/**
 * Count the steps of a local round: epochs * ceil(images / batchSize), or as many as the plan says.
 *
 * @param plan - its duration and batch size are read
 * @param images - training images, one or more
 */
export function localSteps(
  plan: Pick<TrainingPlan, 'duration' | 'batchSize'>,
  images: number,
): number {
  const { duration } = plan;
  if (duration.unit === 'steps') return duration.count;
  return duration.count * Math.ceil(images / plan.batchSize);
}

/** Start the stream of a local round's batch order: seededRng of the text `seed/stream`. */
export function batchStream(plan: Pick<TrainingPlan, 'seed'>, stream: string): RngState {
  return seededRng(`${plan.seed}/${stream}`).state();
}

/** The batches of a local round from some step on. */
export interface BatchOrder {
  /** Indices of the next step's images. */
  next(): readonly number[];
  /** The stream at the start of the epoch that the next step belongs to. */
  epochStart(): RngState;
}

/**
 * Order the batches from a step on; a resume at any step gives the batches an uninterrupted round would.
 *
 * @param options - `images`: training images, one or more; `batchSize`: images of a step, fewer in an epoch's last one;
 *   `step`: steps done; `rng`: the stream at the start of the epoch that step `step` belongs to
 */
export function batchOrder(options: {
  readonly images: number;
  readonly batchSize: number;
  readonly step: number;
  readonly rng: RngState;
}): BatchOrder {
  const { images, batchSize } = options;
  const stepsPerEpoch = Math.ceil(images / batchSize);
  const rng = restoreRng(options.rng);
  let start = options.rng;
  let within = options.step % stepsPerEpoch;
  let order: number[] | undefined;
  return {
    next: () => {
      order ??= rng.shuffle(Array.from({ length: images }, (_, index) => index));
      const batch = order.slice(within * batchSize, (within + 1) * batchSize);
      within += 1;
      if (within === stepsPerEpoch) {
        [within, order, start] = [0, undefined, rng.state()];
      }
      return batch;
    },
    epochStart: () => start,
  };
}
