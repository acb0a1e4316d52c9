/**
 * Finds a TensorFlow.js backend that works here and says why the ones before it did not.
 *
 * Each backend's package is loaded when it is tried and never before. All of them register with one tfjs-core,
 * whose active backend belongs to the whole process: what computes goes through {@link TfjsRuntime.inTurn}.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import util, { types } from 'node:util';
import { z } from 'zod';
import { UnavailableError } from '#core/errors';
import type { EngineDevice, EngineSelection } from '../types.ts';

/** The API of tfjs-core. */
export type Tfjs = typeof import('@tensorflow/tfjs-core');

/** The backends, fastest first: TensorFlow on a GPU, TensorFlow on the CPU, WebAssembly (one thread), JavaScript. */
export const tfjsBackends = ['tensorflow-gpu', 'tensorflow', 'wasm', 'cpu'] as const;

/** A backend of TensorFlow.js. */
export type TfjsBackend = (typeof tfjsBackends)[number];

/** What {@link startTfjs} needs. */
export interface TfjsOptions {
  readonly device: EngineDevice;
  /** Threads of one operator, for native TensorFlow; WebAssembly and JavaScript use one. */
  readonly threads: number;
  /** Try these alone, in this order, instead of those that `device` stands for. */
  readonly backends?: readonly TfjsBackend[];
  /** What a step's derivative may keep of a group of blocks, bytes, 2 GiB by default: see checkpoints.ts. */
  readonly keptBytesMax?: number;
}

/** A backend that is ready. */
export interface TfjsRuntime {
  readonly tf: Tfjs;
  readonly backend: TfjsBackend;
  readonly device: 'cpu' | 'gpu';
  /** Package, version and, for native TensorFlow, its version. */
  readonly library: string;
  readonly selection: EngineSelection;
  /** Run after all that was asked for before, on any backend, with this backend active up to the first `await`. */
  readonly inTurn: <T>(run: () => T | Promise<T>) => Promise<T>;
}

/** The one package that registers derivatives: tfjs-core, built for Node, comes without. Its own API is not used. */
const gradientsPackage: string = '@tensorflow/tfjs';

interface Started {
  readonly device: 'cpu' | 'gpu';
  readonly library: string;
}

/** Thrown inside this file alone: why a backend cannot be used. */
class NotUsable extends Error {}

interface Candidate {
  readonly packageName: string;
  /** Under which the package registers with tfjs-core. */
  readonly registeredName: string;
  readonly start: (tf: Tfjs, candidate: Candidate, threads: number) => Promise<Started>;
}

const require = createRequire(import.meta.url);

const candidates: Readonly<Record<TfjsBackend, Candidate>> = {
  'tensorflow-gpu': {
    packageName: '@tensorflow/tfjs-node-gpu',
    registeredName: 'tensorflow',
    start: startNative,
  },
  tensorflow: {
    packageName: '@tensorflow/tfjs-node',
    registeredName: 'tensorflow',
    start: startNative,
  },
  wasm: {
    packageName: '@tensorflow/tfjs-backend-wasm',
    registeredName: 'wasm',
    start: startWasm,
  },
  cpu: {
    packageName: '@tensorflow/tfjs-backend-cpu',
    registeredName: 'cpu',
    start: startJavaScript,
  },
};

const backendsOf: Readonly<Record<EngineDevice, readonly TfjsBackend[]>> = {
  auto: tfjsBackends,
  cpu: ['tensorflow', 'wasm', 'cpu'],
  gpu: ['tensorflow-gpu'],
};

/** Two libtensorflow in one process would share symbols: the one that came first stays the only one. */
let loadedNative: string | null = null;

/** Starts and steps of all models of this process stand in one line: they share tfjs-core's active backend. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * Start the first backend that works.
 *
 * @param options - where it may compute, with how many threads
 * @throws UnavailableError ENGINE_UNAVAILABLE where none does, with the reason of each in `details`
 */
export async function startTfjs(options: TfjsOptions): Promise<TfjsRuntime> {
  const reasons: { candidate: string; reason: string }[] = [];
  const tf = await loadCore();
  for (const backend of options.backends ?? backendsOf[options.device]) {
    const candidate = candidates[backend];
    try {
      const started = await inLine(() => candidate.start(tf, candidate, options.threads));
      const lacksGpu = backend === 'tensorflow-gpu' && started.device === 'cpu';
      if (lacksGpu) reasons.push({ candidate: backend, reason: 'no GPU that CUDA can use' });
      if (lacksGpu && options.device === 'gpu') continue;
      // TensorFlow for a GPU computes on the CPU as well as TensorFlow for the CPU does, which can no longer be loaded.
      const chosen = lacksGpu ? 'tensorflow' : backend;
      return runtimeOf(tf, chosen, started, { chosen, reasons });
    } catch (error) {
      reasons.push({ candidate: backend, reason: reasonOf(error) });
    }
  }
  const told = reasons.map(({ candidate, reason }) => `${candidate}: ${reason}`).join('; ');
  throw new UnavailableError(
    'ENGINE_UNAVAILABLE',
    `tfjs: expected a backend for device ${options.device}, none can be used (${told}); ` +
      'mend one of these, or choose another device or engine',
    { reasons: reasons.map(({ candidate, reason }) => ({ candidate, reason })) },
  );
}

function runtimeOf(
  tf: Tfjs,
  backend: TfjsBackend,
  started: Started,
  selection: EngineSelection,
): TfjsRuntime {
  const { registeredName } = candidates[backend];
  const inTurn = <T>(run: () => T | Promise<T>): Promise<T> =>
    inLine(async () => {
      await activate(tf, registeredName);
      return run();
    });
  return { tf, backend, ...started, selection, inTurn };
}

function inLine<T>(run: () => Promise<T>): Promise<T> {
  const turn = queue.then(run);
  queue = turn.catch(() => undefined); // the caller of that turn sees its error
  return turn;
}

async function loadCore(): Promise<Tfjs> {
  try {
    const tf = commonJs(await import('@tensorflow/tfjs-core'));
    await import(gradientsPackage);
    tf.enableProdMode(); // no advice printed on standard error, no checks of its own for NaN
    return tf;
  } catch (cause) {
    throw new UnavailableError(
      'ENGINE_UNAVAILABLE',
      'tfjs: expected its core to load, it did not; install again with npm ci',
      {},
      { cause },
    );
  }
}

/** These packages are CommonJS: a loader may show one as the default, or its names alone. */
function commonJs<T extends object>(loaded: T & { readonly default?: T }): T {
  return loaded.default ?? loaded;
}

async function activate(tf: Tfjs, registeredName: string): Promise<void> {
  if (tf.getBackend() === registeredName) return;
  const isActive = await tf.setBackend(registeredName);
  if (!isActive) throw new NotUsable('it did not initialise');
}

async function startNative(tf: Tfjs, candidate: Candidate, threads: number): Promise<Started> {
  const { packageName, registeredName } = candidate;
  const folder = dirname(findPackageFile(packageName));
  if (!hasAddon(folder)) {
    const command = `npm run tfjs:native${packageName.endsWith('-gpu') ? ' -- --gpu' : ''}`;
    throw new NotUsable(`its native addon is not built; run ${command}`);
  }
  if (loadedNative !== null && loadedNative !== packageName) {
    throw new NotUsable(`${loadedNative} is loaded, and a process holds one TensorFlow alone`);
  }
  loadedNative = packageName;
  // TensorFlow reads these once, when it is loaded.
  process.env.TF_NUM_INTRAOP_THREADS = String(threads);
  process.env.TF_NUM_INTEROP_THREADS = '1';
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  if (packageName === candidates['tensorflow-gpu'].packageName) prepareForGpu();
  provideOldUtilities();
  await import(packageName);
  await activate(tf, registeredName);
  const backend = nativeBackendSchema.safeParse(tf.backend()).data;
  const version = backend?.binding?.TF_Version ?? 'of unknown version';
  return {
    device: backend?.isUsingGpuDevice === true ? 'gpu' : 'cpu',
    library: `${packageName} ${versionOf(packageName)}, TensorFlow ${version}`,
  };
}

/** What CUDA and TensorFlow read once, when they are loaded; what is set already stays. */
function prepareForGpu(): void {
  // Products of float32 lose 13 bits of each factor in TF32, TensorFlow's default on Ampere and newer.
  process.env.NVIDIA_TF32_OVERRIDE ??= '0';
  // TensorFlow else takes all of the GPU's memory at once, and a second trainer finds none.
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
}

/** The part of tfjs-node's backend that tells what it runs on. */
const nativeBackendSchema = z.object({
  isUsingGpuDevice: z.boolean().optional(),
  binding: z.object({ TF_Version: z.string().optional() }).optional(),
});

/** Tell whether a build lies where tfjs-node looks for it; without one, importing it would register half of a backend. */
function hasAddon(folder: string): boolean {
  const libraries = join(folder, 'lib');
  if (!existsSync(libraries)) return false;
  return readdirSync(libraries).some((name) =>
    existsSync(join(libraries, name, 'tfjs_binding.node')),
  );
}

/** tfjs-node 4.22 calls functions of `util` that are gone from Node 23 on. */
function provideOldUtilities(): void {
  const utilities = {
    isArray: (value: unknown) => Array.isArray(value),
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
  };
  for (const [name, value] of Object.entries(utilities)) {
    if (!(name in util)) Object.defineProperty(util, name, { value, configurable: true });
  }
}

async function startWasm(tf: Tfjs, candidate: Candidate): Promise<Started> {
  const { packageName, registeredName } = candidate;
  const wasm = commonJs(await import('@tensorflow/tfjs-backend-wasm'));
  wasm.setWasmPaths(join(dirname(require.resolve(packageName)), sep));
  await withoutNewProcessListeners(() => activate(tf, registeredName));
  return { device: 'cpu', library: `${packageName} ${versionOf(packageName)}` };
}

/**
 * Run `start` and take away the process listeners it leaves behind.
 *
 * The WebAssembly glue throws every unhandled rejection anew, which would end a process that has its own way with them.
 */
async function withoutNewProcessListeners(start: () => Promise<void>): Promise<void> {
  const exceptionListeners = process.listeners('uncaughtException');
  const rejectionListeners = process.listeners('unhandledRejection');
  try {
    await start();
  } finally {
    for (const listener of process.listeners('uncaughtException')) {
      if (!exceptionListeners.includes(listener)) process.off('uncaughtException', listener);
    }
    for (const listener of process.listeners('unhandledRejection')) {
      if (!rejectionListeners.includes(listener)) process.off('unhandledRejection', listener);
    }
  }
}

async function startJavaScript(tf: Tfjs, candidate: Candidate): Promise<Started> {
  const { packageName, registeredName } = candidate;
  await import('@tensorflow/tfjs-backend-cpu');
  await activate(tf, registeredName);
  return { device: 'cpu', library: `${packageName} ${versionOf(packageName)}` };
}

function findPackageFile(packageName: string): string {
  try {
    return require.resolve(`${packageName}/package.json`);
  } catch {
    // An optional package that npm left out: whatever the reason, it is not here.
    throw new NotUsable('its package is not installed; run npm ci without --omit=optional');
  }
}

function versionOf(packageName: string): string {
  const parsed = z.object({ version: z.string() }).safeParse(require(findPackageFile(packageName)));
  return parsed.data?.version ?? 'of unknown version';
}

/** The first line of what went wrong: later ones are advice on building that does not hold here. */
function reasonOf(error: unknown): string {
  const message = types.isNativeError(error) ? error.message : String(error);
  return message.split('\n')[0] ?? message;
}
