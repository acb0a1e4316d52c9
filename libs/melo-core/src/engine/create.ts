/** Chooses and starts an engine; its library is loaded here, when it is asked for, and never by importing this folder. */
import { availableParallelism } from 'node:os';
import { checkInteger } from '#core/check';
import type { TrainingEngine } from './types.ts';

/** Above any machine's cores that one model can use. */
const threadsMax = 256;

/** What {@link createEngine} needs. */
export interface EngineOptions {
  readonly engine: 'onnx';
  /** Threads of one operator, 1 to 256; where it is left out, the machine's cores shared among its trainers. */
  readonly threads?: number;
  /** Trainers at work on this machine at one time, this one counted; 1 where it is left out. */
  readonly trainers?: number;
  /** Where graphs and, if need be, copies of weights are kept; made where it is missing. */
  readonly cacheDirectory: string;
}

/** Share the machine's cores among its trainers: at least one thread each. */
export function defaultThreads(trainers: number): number {
  checkInteger(trainers, 'trainers', { minimum: 1, maximum: threadsMax });
  return Math.min(threadsMax, Math.max(1, Math.floor(availableParallelism() / trainers)));
}

/**
 * Start a training engine.
 *
 * It belongs in a process of its own, one engine in each: two onnxruntime worker threads in one process can abort it.
 *
 * @param options - which engine, how many threads, where its cache lies
 * @throws UnavailableError ENGINE_UNAVAILABLE where its library cannot be loaded
 * @throws RangeError if `threads` or `trainers` is not a whole number from 1 to 256
 */
export async function createEngine(options: EngineOptions): Promise<TrainingEngine> {
  const threads = checkInteger(
    options.threads ?? defaultThreads(options.trainers ?? 1),
    'threads',
    { minimum: 1, maximum: threadsMax },
  );
  const { createOnnxEngine } = await import('./onnx/index.ts');
  return createOnnxEngine({ threads, cacheDirectory: options.cacheDirectory });
}
