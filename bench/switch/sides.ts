/** The two sides of the switch benchmark: they take orders for the same tasks and say how long each took. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import {
  adapterCard,
  adapterDigest,
  adapterLayout,
  encodeAdapterFile,
  specificationOf,
} from '#core/adapter';
import { createEngine, loadBackbone, type LoadedBackbone, type MultiTaskModel } from '#core/engine';
import { AdapterLibrary } from '#core/inference';
import { limits, taskDefinitionSchema } from '#core/protocol';
import { seededRng } from '#core/rng';
import { readWithin } from '../../apps/site-agent/src/commands/adapter-files.ts';
import { describeBackbone } from '../../test/support/collections.ts';
import { taskDefinition, type BackboneFolder } from '../../test/support/small-federation.ts';
import { writeRandomBackbone } from '../train-step/random-weights.ts';
import { Side } from '../train-step/side.ts';
import type { Shape } from '../train-step/messages.ts';

/** Of every adapter; the peer's configuration has the same. */
export const rank = 4;
const classes = ['negative', 'positive'];
const timeoutMs = 600_000;

/** What is timed for each task: from its file, in memory, or in memory with one forward pass at batch 1. */
export type SwitchOrder = 'cold' | 'warm' | 'answer';

/** Milliseconds for each task, and the memory that the process keeps afterwards. */
export interface SwitchAnswer {
  readonly milliseconds: readonly number[];
  readonly residentBytes: number;
}

/** What both sides are started with. */
export interface SwitchSideOptions {
  readonly shape: Shape;
  /** An empty folder, made here. */
  readonly directory: string;
  readonly tasks: number;
  readonly threads: number;
}

const functionSchema = z.custom<() => void>((value) => typeof value === 'function');

/** V8's own collector, which no program sees unless it is asked for. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return functionSchema.parse(runInNewContext('gc'));
}
const collectGarbage = garbageCollector();

/** Write an adapter file a task: what the registry would give, with random numbers of its own. */
async function writeTasks(
  directory: string,
  backbone: BackboneFolder,
  tasks: number,
): Promise<{ files: string[]; digests: string[] }> {
  await mkdir(directory, { recursive: true });
  const [files, digests]: [string[], string[]] = [[], []];
  for (let index = 0; index < tasks; index++) {
    const { mean, std } = backbone.configuration;
    const task = `task-${index}`;
    const members = ['hospital-1', 'hospital-2'];
    const definition = taskDefinitionSchema.parse(
      taskDefinition({
        ...{ task, backbone: backbone.reference, mean, std, classes, members, rounds: 1 },
        overrides: { rank, alpha: rank },
      }),
    );
    const specification = specificationOf(definition);
    const rng = seededRng(`switch/${index}`);
    const { size } = adapterLayout(specification);
    const values = new Float32Array(size).map(() => 0.02 * (2 * rng.nextFloat() - 1));
    const card = adapterCard({
      ...{ definition, version: 1, parentDigest: 'cd'.repeat(32), round: 1 },
      members: [{ site: 'hospital-1', weight: 1, samples: 1 }],
      software: { library: 'melo-federation bench', engine: 'random' },
    });
    const bytes = encodeAdapterFile({ specification, values, card });
    const file = join(directory, `${task}.safetensors`);
    await writeFile(file, bytes);
    files.push(file);
    digests.push(adapterDigest(bytes));
  }
  return { files, digests };
}

/** Our side, in this process: a library of adapters beside a loaded backbone. */
export class OwnSide {
  readonly #backbone: LoadedBackbone;
  readonly #model: MultiTaskModel;
  readonly #library: AdapterLibrary;
  readonly #files: readonly string[];
  readonly #digests: readonly string[];
  readonly #image: Float32Array;

  private constructor(parts: {
    readonly backbone: LoadedBackbone;
    readonly model: MultiTaskModel;
    readonly library: AdapterLibrary;
    readonly files: readonly string[];
    readonly digests: readonly string[];
  }) {
    this.#backbone = parts.backbone;
    this.#model = parts.model;
    this.#library = parts.library;
    this.#files = parts.files;
    this.#digests = parts.digests;
    const rng = seededRng('switch/image');
    const { imageSize } = parts.backbone.configuration;
    this.#image = new Float32Array(3 * imageSize ** 2).map(() => rng.nextNormal());
  }

  /** Write a backbone and a file for each task, load the backbone and predict once. */
  static async start(options: SwitchSideOptions): Promise<OwnSide> {
    const { shape, directory, tasks, threads } = options;
    const folder = join(directory, 'backbone');
    await writeRandomBackbone(folder, shape);
    const description = await describeBackbone(folder);
    const { files, digests } = await writeTasks(join(directory, 'adapters'), description, tasks);
    const cacheDirectory = join(directory, 'engine');
    const engine = await createEngine({ engine: 'onnx', threads, cacheDirectory });
    const backbone = await loadBackbone(folder);
    const model = await engine.loadMultiTask(backbone);
    const library = new AdapterLibrary({
      backbone: description.reference,
      bytesMax: 64 * 1024 ** 3,
      read: (file) => readWithin(file, limits.updateBytesMax),
    });
    const side = new OwnSide({ backbone, model, library, files, digests });
    await side.#warmUp();
    return side;
  }

  /** Do an order for some tasks. */
  async ask(order: SwitchOrder, tasks: readonly number[]): Promise<SwitchAnswer> {
    const milliseconds: number[] = [];
    for (const task of tasks) milliseconds.push(await this.#time(order, task));
    return { milliseconds, residentBytes: keptBytes() };
  }

  /** End it. */
  async stop(): Promise<void> {
    await this.#model.dispose();
    await this.#backbone.close();
  }

  /** One adapter that is not kept: the session is made, and the code that reads files is compiled, as the peer's was. */
  async #warmUp(): Promise<void> {
    const [file = '', digest] = [this.#files[0], this.#digests[0]];
    const adapter = await this.#library.get(file, digest);
    await this.#model.predict(this.#image, [adapter]);
    this.#library.forget(file);
  }

  /** Time one switch; the digest is verified whenever a file is read, as it is in use. */
  async #time(order: SwitchOrder, task: number): Promise<number> {
    const [file = '', digest] = [this.#files[task], this.#digests[task]];
    if (this.#library.has(file) !== (order !== 'cold')) {
      throw new Error(`task ${task}: expected it ${order === 'cold' ? 'not ' : ''}in memory`);
    }
    const startMs = performance.now();
    const adapter = await this.#library.get(file, digest);
    if (order === 'answer') await this.#model.predict(this.#image, [adapter]);
    return performance.now() - startMs;
  }
}

/** What this process keeps once the rest is given back: V8's heap and what arrays hold outside it, all of it resident. */
function keptBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const readySchema = z.object({ library: z.string(), startSeconds: z.number() });
const answerSchema = z.object({ milliseconds: z.array(z.number()), residentBytes: z.number() });

/** PEFT's side, a process of its own that is idle unless it was given an order. */
export class PeftSide {
  readonly #side: Side;

  constructor(interpreter: string, options: SwitchSideOptions) {
    const script = fileURLToPath(new URL('./peft_peer.py', import.meta.url));
    const { shape: size, directory, tasks, threads } = options;
    const peer = { size, directory, tasks, threads, rank, classes: classes.length };
    this.#side = new Side('peft', interpreter, [script, JSON.stringify(peer)]);
  }

  /** Wait for its model and its folders; returns what it runs. */
  async ready(): Promise<string> {
    return readySchema.parse(await this.#side.ready(timeoutMs)).library;
  }

  /** Do an order for some tasks; `lowMemory` is `low_cpu_mem_usage` of PEFT's `load_adapter`. */
  async ask(
    order: SwitchOrder,
    tasks: readonly number[],
    lowMemory: boolean,
  ): Promise<SwitchAnswer> {
    return answerSchema.parse(await this.#side.ask({ order, tasks, lowMemory }, timeoutMs));
  }

  /** End it. */
  stop(): Promise<void> {
    return this.#side.stop();
  }
}
