/**
 * The onnxruntime sessions of one loaded backbone: a graph's is made when it is first run, and kept.
 *
 * Runs go one after the other, so the same inputs give the same bytes on one machine with one number of threads.
 */
import { writeFile, access } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession, Tensor, TensorConstructor } from 'onnxruntime-node';
import type { BackboneConfiguration } from '#core/backbone';
import { checkInteger } from '#core/check';
import { sha256 } from '#core/crypto';
import { assert, UnavailableError } from '#core/errors';
import { imagesPerCallMax } from '../model-limits.ts';
import { patchify } from '../patches.ts';
import { writeAtomically } from './weights.ts';
import type { WeightsFolder } from './weights.ts';

/** The part of onnxruntime that a model uses. */
export interface OnnxRuntime {
  readonly Tensor: TensorConstructor;
  readonly InferenceSession: {
    create(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
}

/** An input's numbers and shape. */
export interface GraphInput {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** What {@link GraphSessions} needs. */
export interface GraphSessionsOptions<Kind extends string> {
  readonly runtime: OnnxRuntime;
  readonly configuration: BackboneConfiguration;
  readonly weights: WeightsFolder;
  /** Threads of one operator, one or more. */
  readonly threads: number;
  /** Whether nothing else is to compute on this machine meanwhile: idle threads then wait awake. */
  readonly isAlone: boolean;
  /** Whether a kind's session keeps weights packed as products read them; none does where it is left out. */
  readonly isPacked?: (kind: Kind) => boolean;
  /** Where the profiler writes, a path that it completes; nothing is profiled where it is left out. */
  readonly profilePrefix?: string | undefined;
  /** Build the graph of a kind. */
  readonly build: (kind: Kind) => Uint8Array;
}

interface RunOptions {
  readonly threads: number;
  readonly isAlone: boolean;
  readonly isPacked: boolean;
  readonly profilePrefix: string | undefined;
}

function sessionOptions(options: RunOptions): InferenceSession.SessionOptions {
  const { threads, isAlone, isPacked, profilePrefix } = options;
  return {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    // A plan of the memory of one batch size is a second block of the same size beside what the first run took.
    enableMemPattern: false,
    ...(profilePrefix === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: profilePrefix }),
    extra: {
      session: {
        // Spinning threads of several trainers on one machine would starve one another.
        intra_op: { allow_spinning: isAlone ? '1' : '0' },
        disable_prepacking: isPacked ? '0' : '1',
      },
    },
  };
}

/** Write the graph beside the weights under the digest of its own bytes, unless it is there. */
async function placeGraph(
  weights: WeightsFolder,
  kind: string,
  bytes: Uint8Array,
): Promise<string> {
  const hash = sha256();
  hash.update(bytes);
  const path = join(weights.directory, `${kind}-${hash.digestHex().slice(0, 32)}.onnx`);
  const isThere = await access(path).then(
    () => true,
    () => false, // not there is the usual case
  );
  if (!isThere) {
    await writeAtomically(path, (temporary) => writeFile(temporary, bytes, { mode: 0o600 }));
  }
  return path;
}

/** Take one output's numbers as a copy of our own, and free it. */
export function takeOutput(outputs: InferenceSession.ReturnType, name: string): Float32Array {
  const tensor = outputs[name];
  assert(tensor !== undefined, `onnxruntime: expected an output ${name}`);
  assert(tensor.data instanceof Float32Array, `onnxruntime: expected float32 in output ${name}`);
  const values = tensor.data.slice();
  tensor.dispose();
  return values;
}

/** Sessions by the kind of their graph. */
export class GraphSessions<Kind extends string> {
  readonly #options: GraphSessionsOptions<Kind>;
  readonly #sessions = new Map<Kind, Promise<InferenceSession>>();
  #queue: Promise<unknown> = Promise.resolve();
  #isDisposed = false;

  constructor(options: GraphSessionsOptions<Kind>) {
    this.#options = options;
  }

  /** Run after everything that was asked for before. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(run);
    this.#queue = turn.catch(() => undefined); // the caller of that turn sees its error
    return turn;
  }

  /**
   * Run a graph on images; to be called in turn.
   *
   * @param kind - which graph
   * @param images - normalised pixels, (count,3,S,S)
   * @param count - images, one or more
   * @param inputs - what the graph wants besides `patches`
   * @param outputs - names of the outputs to be computed
   */
  async run(
    kind: Kind,
    images: Float32Array,
    count: number,
    inputs: Readonly<Record<string, GraphInput>>,
    outputs: readonly string[],
  ): Promise<InferenceSession.ReturnType> {
    assert(!this.#isDisposed, 'engine model: expected it in use, it was disposed of');
    checkInteger(count, 'images in a call', { minimum: 1, maximum: imagesPerCallMax });
    const { imageSize, patchSize } = this.#options.configuration;
    const patches = patchify(images, count, { imageSize, patchSize });
    const { Tensor: OnnxTensor } = this.#options.runtime;
    const tensor = ({ values, shape }: GraphInput): Tensor =>
      new OnnxTensor('float32', values, shape);
    const shape = [(imageSize / patchSize) ** 2, count, 3 * patchSize * patchSize];
    const feeds: Record<string, Tensor> = { patches: tensor({ values: patches, shape }) };
    for (const [name, input] of Object.entries(inputs)) feeds[name] = tensor(input);
    const session = await this.#session(kind);
    return session.run(feeds, outputs);
  }

  /** Free the sessions, in turn; nothing is run afterwards. */
  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    await this.inTurn(async () => {
      this.#isDisposed = true;
      for (const started of this.#sessions.values()) {
        const session = await started;
        if (this.#options.profilePrefix !== undefined) session.endProfiling();
        await session.release();
      }
      this.#sessions.clear();
    });
  }

  #session(kind: Kind): Promise<InferenceSession> {
    const existing = this.#sessions.get(kind);
    if (existing !== undefined) return existing;
    const session = this.#createSession(kind);
    this.#sessions.set(kind, session);
    session.catch(() => this.#sessions.delete(kind)); // the caller sees the error; the next call tries again
    return session;
  }

  async #createSession(kind: Kind): Promise<InferenceSession> {
    const { runtime, weights, threads, isAlone, profilePrefix, build } = this.#options;
    const isPacked = this.#options.isPacked?.(kind) ?? false;
    const path = await placeGraph(weights, kind, build(kind));
    try {
      return await runtime.InferenceSession.create(
        path,
        sessionOptions({ threads, isAlone, isPacked, profilePrefix }),
      );
    } catch (cause) {
      throw new UnavailableError(
        'ENGINE_UNAVAILABLE',
        `onnxruntime: expected to load ${path}, it refused; free some memory, or delete the engine cache and try again`,
        { kind },
        { cause },
      );
    }
  }
}
