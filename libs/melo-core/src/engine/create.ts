/** Chooses and starts an engine; its library is loaded here, when it is asked for, and never by importing this folder. */
import { checkInteger } from '#core/check';
import { UnavailableError } from '#core/errors';
import { coresAllowed } from './machine.ts';
import type { EngineDevice, EngineSelection, SelectedEngine } from './types.ts';

/** Above any machine's cores that one model can use. */
const threadsMax = 256;

/** What {@link createEngine} needs. */
export interface EngineOptions {
  /** `auto` takes onnx on a CPU, and tfjs where onnx cannot be used or a GPU is asked for. */
  readonly engine: 'onnx' | 'tfjs' | 'auto';
  /** Where it may compute, `auto` where it is left out; onnx computes on the CPU alone. */
  readonly device?: EngineDevice;
  /** Threads of one operator, 1 to 256; where it is left out, the cores this process may use shared among the trainers. */
  readonly threads?: number;
  /** Trainers at work on this machine at one time, this one counted; 1 where it is left out. */
  readonly trainers?: number;
  /**
   * Whether nothing else is to compute on this machine meanwhile; no where it is left out. Threads of onnx that have no work then wait
   * awake, which saves time between small products; two trainers that both do so starve one another.
   */
  readonly isAlone?: boolean;
  /** Where graphs and, if need be, copies of weights are kept; made where it is missing. */
  readonly cacheDirectory: string;
}

/** Share the cores that this process may use among the machine's trainers: at least one thread each. */
export function defaultThreads(trainers: number): number {
  checkInteger(trainers, 'trainers', { minimum: 1, maximum: threadsMax });
  return Math.min(threadsMax, Math.max(1, Math.floor(coresAllowed() / trainers)));
}

/**
 * Start a training engine.
 *
 * It belongs in a process of its own, one engine in each: two onnxruntime worker threads in one process can abort it.
 *
 * @param options - which engine, where and with how many threads it computes, where its cache lies
 * @returns the engine, with what was tried before it and why that cannot be used here
 * @throws UnavailableError ENGINE_UNAVAILABLE where its library cannot be loaded or has no such device
 * @throws RangeError if `threads` or `trainers` is not a whole number from 1 to 256
 */
export async function createEngine(options: EngineOptions): Promise<SelectedEngine> {
  const { device = 'auto', isAlone = false, cacheDirectory } = options;
  const threads = checkInteger(
    options.threads ?? defaultThreads(options.trainers ?? 1),
    'threads',
    { minimum: 1, maximum: threadsMax },
  );
  const start = { device, threads, isAlone, cacheDirectory };
  if (options.engine === 'tfjs') return createTfjs(start, []);
  try {
    return await createOnnx(start);
  } catch (error) {
    const isOtherPossible = options.engine === 'auto' && error instanceof UnavailableError;
    if (!isOtherPossible) throw error;
    return createTfjs(start, [{ candidate: 'onnx', reason: error.message }]);
  }
}

interface Start {
  readonly device: EngineDevice;
  readonly threads: number;
  readonly isAlone: boolean;
  readonly cacheDirectory: string;
}

async function createOnnx({ device, ...start }: Start): Promise<SelectedEngine> {
  if (device === 'gpu') {
    throw new UnavailableError(
      'ENGINE_UNAVAILABLE',
      'engine onnx: expected device cpu or auto, got gpu, on which it does not compute; choose engine tfjs for a GPU',
      { device },
    );
  }
  const { createOnnxEngine } = await import('./onnx/index.ts');
  const engine = await createOnnxEngine(start);
  return { ...engine, selection: { chosen: 'onnx', reasons: [] } };
}

async function createTfjs(
  { device, threads }: Start,
  earlier: EngineSelection['reasons'],
): Promise<SelectedEngine> {
  const { createTfjsEngine } = await import('./tfjs/index.ts');
  const engine = await createTfjsEngine({ device, threads });
  const { chosen, reasons } = engine.selection;
  return { ...engine, selection: { chosen, reasons: [...earlier, ...reasons] } };
}
