/** The built trainer process with its engine: jobs one after the other give the bytes of jobs in processes of their own. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  adapterCard,
  adapterLayout,
  encodeAdapterFile,
  initialAdapter,
  resolveTrainedTensors,
  specificationOf,
} from '#core/adapter';
import { taskDefinitionSchema, type TaskDefinition } from '#core/protocol';
import { silentLogger } from '../../apps/site-agent/src/common/events.ts';
import { waitUntil } from '../../apps/site-agent/src/testing/wait-until.ts';
import { roundJobSchema, type RoundJob } from '../../apps/site-agent/src/trainer/messages.ts';
import { ProcessTrainer } from '../../apps/site-agent/src/trainer/trainer.ts';
import { makeWorkDirectory, packageRoot } from '../support/package-root.ts';
import {
  drawnClasses,
  taskDefinition,
  writeDrawnImages,
  writeSmallBackbone,
  type BackboneFolder,
} from '../support/small-federation.ts';

const processFile = join(packageRoot, 'dist/apps/site-agent/src/trainer/trainer-process.js');
const timeoutMs = 300_000;

let directory: string;
let removeDirectory: () => Promise<void>;
let backbone: BackboneFolder;
let images: string;
const trainers: ProcessTrainer[] = [];

function newTrainer(): ProcessTrainer {
  const trainer = new ProcessTrainer({
    processFile,
    attempts: 1,
    restartDelayMs: 1,
    silenceMaxMs: 60_000,
    idleMaxMs: 60_000,
    logger: silentLogger,
  });
  trainers.push(trainer);
  return trainer;
}

function definitionOf(rank: number): TaskDefinition {
  const definition = taskDefinition({
    task: 'drawn',
    backbone: backbone.reference,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    classes: drawnClasses,
    members: ['site-a'],
    rounds: 2,
  });
  return taskDefinitionSchema.parse({ ...definition, rank, alpha: rank });
}

/** A job over the drawn images, in a folder of its own. */
async function newJob(rank: number): Promise<RoundJob> {
  const work = await mkdtemp(join(directory, 'work-'));
  const definition = definitionOf(rank);
  const specification = specificationOf(definition);
  const values = initialAdapter(specification, definition.publicSeed);
  const card = adapterCard({
    definition,
    version: 0,
    parentDigest: null,
    round: null,
    members: [],
    software: { library: 'spec', engine: 'spec' },
  });
  const adapterFile = join(work, 'adapter');
  await writeFile(adapterFile, encodeAdapterFile({ specification, values, card }));
  return roundJobSchema.parse({
    type: 'round',
    parts: ['evaluate-global', 'train', 'evaluate-local'],
    workDirectory: join(work, 'files'),
    backboneDirectory: backbone.directory,
    adapterFile,
    siteStateFile: null,
    engine: { name: 'onnx', device: 'cpu', threads: 1, cacheDirectory: join(directory, 'engine') },
    imageCache: { directory: join(directory, 'cache'), bytesMax: 1e8 },
    unreadableFile: join(directory, 'unreadable'),
    task: { images, groupRegex: '([a-z]+-patient\\d+)', heldOutShare: 0.3, splitSeed: 'trainer' },
    preprocessing: definition.preprocessing,
    training: {
      plan: definition.plan,
      trainedTensors: resolveTrainedTensors('all', adapterLayout(specification)),
      scheduleOffset: 0,
      stream: 'drawn/site-a/1',
    },
    checkpointIntervalMs: 0,
    evaluationBatchSize: 16,
    compareWith: null,
  });
}

const handlers = {
  onProgress: () => undefined,
  onFinished: () => undefined,
  onUnreadable: () => undefined,
};

/** The files that a job leaves. */
async function resultOf(trainer: ProcessTrainer, job: RoundJob): Promise<Record<string, string>> {
  await trainer.run(job, handlers, new AbortController().signal);
  const names = ['update.safetensors', 'trained.json', 'global-report.json', 'local-report.json'];
  const contents = names.map(async (name) => {
    const bytes = await readFile(join(job.workDirectory, name));
    return [name, bytes.toString('base64')] as const;
  });
  return Object.fromEntries(await Promise.all(contents));
}

async function firstLine(input: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input })) return line;
  throw new Error('expected a line');
}

const coldResult = async (rank: number): Promise<Record<string, string>> => {
  const trainer = newTrainer();
  const result = await resultOf(trainer, await newJob(rank));
  await trainer.stop();
  return result;
};

beforeAll(async () => {
  ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('trainer'));
  backbone = await writeSmallBackbone(join(directory, 'backbone'));
  images = join(directory, 'images');
  await mkdir(images);
  await writeDrawnImages(images, { count: 12, seed: 'trainer' });
}, timeoutMs);

afterAll(async () => {
  await Promise.all(trainers.map((trainer) => trainer.stop()));
  await removeDirectory();
});

test(
  'jobs in one process, also of another rank between them, give the bytes of a cold start',
  async () => {
    const cold = { 2: await coldResult(2), 4: await coldResult(4) };
    expect(cold[2]).not.toEqual(cold[4]);
    const warm = newTrainer();
    for (const rank of [2, 2, 4, 2] as const)
      expect(await resultOf(warm, await newJob(rank))).toEqual(cold[rank]);
  },
  timeoutMs,
);

test(
  'images that changed between two jobs are seen',
  async () => {
    const trainer = newTrainer();
    const before = await resultOf(trainer, await newJob(2));
    const image = join(images, 'disc', 'disc-patient0_0.png');
    const other = await readFile(join(images, 'disc', 'disc-patient1_0.png'));
    const original = await readFile(image);
    await writeFile(image, other);
    const changed = await resultOf(trainer, await newJob(2));
    expect(changed).not.toEqual(before);
    expect(changed).toEqual(await coldResult(2));
    await rm(image);
    const fewer = await resultOf(trainer, await newJob(2));
    expect(fewer).not.toEqual(changed);
    await writeFile(image, original);
    expect(await resultOf(trainer, await newJob(2))).toEqual(before);
  },
  timeoutMs,
);

test(
  'a refused job is followed by a good one, and one that was called off too',
  async () => {
    const trainer = newTrainer();
    const expected = await resultOf(trainer, await newJob(2));
    const bad = await newJob(2);
    const task = { ...bad.task, images: join(directory, 'nowhere') };
    const signal = new AbortController().signal;
    await expect(trainer.run({ ...bad, task }, handlers, signal)).rejects.toMatchObject({
      code: 'DATASET_INVALID',
    });
    expect(await resultOf(trainer, await newJob(2))).toEqual(expected);

    const abort = new AbortController();
    const job = await newJob(2);
    const onFinished = (): void => {
      abort.abort();
    };
    await expect(trainer.run(job, { ...handlers, onFinished }, abort.signal)).rejects.toBeDefined();
    expect(await resultOf(trainer, job)).toEqual(expected); // goes on with what the killed one left
  },
  timeoutMs,
);

test(
  'without its agent an idle process ends',
  async () => {
    const agent = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { fork } from 'node:child_process';
         const child = fork(${JSON.stringify(processFile)}, [], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
         child.on('message', ({ type }) => { if (type === 'done') console.log(child.pid); });
         child.send({ type: 'inspect-backbone', directory: ${JSON.stringify(backbone.directory)} });`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const pid = Number(await firstLine(agent.stdout));
    const isThere = (): boolean => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false; // no such process
      }
    };
    expect(isThere()).toBe(true);
    agent.kill('SIGKILL');
    await waitUntil(() => !isThere(), 'the end of a trainer without an agent', 60_000);
  },
  timeoutMs,
);
