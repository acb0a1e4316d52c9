/** Turns the trainer's counts into heartbeats and events with an estimate of the time left. */
import type { AdapterReference, RoundKey, TaskId } from '#core/protocol';
import type { TrainerProgress } from '../trainer/messages.ts';
import { TransferMeter } from '../transport/transfer-meter.ts';
import type { AgentContext } from './context.ts';

/** Events of one phase come at most so often, its first and last apart. */
const eventIntervalMs = 2000;

/** Reports progress of one piece of work. */
export class ProgressReporter {
  readonly #context: Pick<AgentContext, 'heartbeat' | 'emit'>;
  readonly #task: TaskId;
  readonly #round: number | null;
  readonly #now: () => number;
  #phase: TrainerProgress['phase'] | null = null;
  #startedMs = 0;
  #firstDone = 0;
  #lastEventMs = 0;

  constructor(
    context: Pick<AgentContext, 'heartbeat' | 'emit'>,
    { task, round }: Pick<RoundKey, 'task'> & { readonly round: number | null },
    now: () => number = () => performance.now(),
  ) {
    this.#context = context;
    this.#task = task;
    this.#round = round;
    this.#now = now;
  }

  report({ phase, done, total }: TrainerProgress): void {
    const now = this.#now();
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#startedMs = now;
      this.#firstDone = done;
      this.#lastEventMs = -Infinity;
    }
    this.#context.heartbeat.set({
      phase,
      task: this.#task,
      round: this.#round,
      progress: total === 0 ? null : Math.min(1, done / total),
    });
    if (now - this.#lastEventMs < eventIntervalMs && done < total) return;
    this.#lastEventMs = now;
    this.#context.emit({
      event: phase,
      task: this.#task,
      round: this.#round,
      step: done,
      steps: total,
      etaSeconds: this.#etaSeconds(done, total, now),
    });
  }

  #etaSeconds(done: number, total: number, now: number): number | null {
    const since = done - this.#firstDone; // after a checkpoint the count does not start at zero
    if (since <= 0) return null;
    return Math.round(((now - this.#startedMs) / since) * (total - done)) / 1000;
  }
}

/** Make a listener of a download that emits its events; none where it takes less than two seconds. */
export function downloadReporter(
  { emit }: Pick<AgentContext, 'emit'>,
  { task, reference }: { readonly task: TaskId; readonly reference: AdapterReference },
): (bytesDone: number) => void {
  const { version, ciphertextBytes: bytes } = reference;
  let meter: TransferMeter | null = null;
  let isTold = false;
  return (bytesDone) => {
    meter ??= new TransferMeter(bytes, bytesDone);
    const report = meter.report(bytesDone);
    if (report === null || (bytesDone >= bytes && !isTold)) return;
    isTold = true;
    emit({ event: 'download', task, version, bytesDone, bytes, ...report });
  };
}
