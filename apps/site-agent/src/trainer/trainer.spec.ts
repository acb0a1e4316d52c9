/**
 * Trainer processes: restarted a bounded number of times, killed when silent or called off, refusals passed on; one stays
 * between jobs and leaves none behind.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { smallPreprocessing } from '#core/protocol/testing';
import { readIfPresent } from '../common/durable-file.ts';
import { silentLogger } from '../common/events.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { roundJobSchema, type TrainerProgress } from './messages.ts';
import { ProcessTrainer } from './trainer.ts';

let directory: string;
let trainers: ProcessTrainer[] = [];

const job = roundJobSchema.parse({
  type: 'round',
  parts: ['evaluate-global'],
  workDirectory: '/work',
  backboneDirectory: '/vit',
  adapterFile: '/adapter',
  siteStateFile: null,
  engine: { name: 'onnx', device: 'auto', threads: 1, cacheDirectory: '/cache' },
  imageCache: { directory: '/cache', bytesMax: 0 },
  unreadableFile: '/unreadable',
  task: { images: '/images', heldOutShare: 0.2, splitSeed: 's' },
  preprocessing: smallPreprocessing(16),
  training: null,
  checkpointIntervalMs: 0,
  evaluationBatchSize: 1,
  compareWith: null,
});

/** A trainer process of a few lines; `starts` counts how often it was started, `jobs` how many it was given. */
async function trainerOf(
  body: string,
  options: { readonly silenceMaxMs?: number; readonly idleMaxMs?: number } = {},
): Promise<ProcessTrainer> {
  const processFile = join(directory, 'process.mjs');
  const pidFile = JSON.stringify(join(directory, 'pids'));
  await writeFile(
    processFile,
    `import { appendFileSync, readFileSync } from 'node:fs';
     appendFileSync(${pidFile}, process.pid + '\\n');
     const starts = readFileSync(${pidFile}, 'utf8').split('\\n').length - 1;
     const finish = (message) => process.send(message);
     let jobs = 0;
     process.on('disconnect', () => process.exit(0));
     process.on('message', (job) => { jobs += 1; ${body} });`,
  );
  const trainer = new ProcessTrainer({
    processFile,
    attempts: 3,
    restartDelayMs: 1,
    silenceMaxMs: options.silenceMaxMs ?? 20_000,
    idleMaxMs: options.idleMaxMs ?? 60_000,
    logger: silentLogger,
  });
  trainers.push(trainer);
  return trainer;
}

/** Processes that were started, in order; one that was killed before its first line is not among them. */
async function pids(): Promise<number[]> {
  const text = (await readIfPresent(join(directory, 'pids')))?.toString('utf8') ?? '';
  return text.split('\n').filter(Boolean).map(Number);
}

const starts = async (): Promise<number> => (await pids()).length;

const isThere = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // no such process
  }
};

async function run(trainer: ProcessTrainer): Promise<TrainerProgress[]> {
  const progress: TrainerProgress[] = [];
  const handlers = {
    onProgress: (each: TrainerProgress) => progress.push(each),
    onFinished: () => undefined,
    onUnreadable: () => undefined,
  };
  await trainer.run(job, handlers, new AbortController().signal);
  return progress;
}

/** Give it a job that is called off once it is under way. */
async function callOff(trainer: ProcessTrainer): Promise<void> {
  const abort = new AbortController();
  const handlers = {
    onProgress: () => {
      abort.abort();
    },
    onFinished: () => undefined,
    onUnreadable: () => undefined,
  };
  await expect(trainer.run(job, handlers, abort.signal)).rejects.toBeDefined();
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-trainer-'));
});

afterEach(async () => {
  import.meta.jest.useRealTimers();
  await Promise.all(trainers.map((trainer) => trainer.stop()));
  expect((await pids()).filter(isThere)).toEqual([]); // none is ever left behind
  trainers = [];
  await rm(directory, { recursive: true, force: true });
});

test('progress comes through, and the end is the end', async () => {
  const trainer = await trainerOf(
    `process.send({ type: 'progress', phase: 'training', done: 1, total: job.engine.threads }); finish({ type: 'done' });`,
  );
  expect(await run(trainer)).toEqual([{ type: 'progress', phase: 'training', done: 1, total: 1 }]);
});

test('a crash and a kill are got over by starting again', async () => {
  const trainer = await trainerOf(
    `if (starts === 1) process.exit(7);
     if (starts === 2) process.kill(process.pid, 'SIGKILL');
     finish({ type: 'done' });`,
  );
  await run(trainer);
  expect(await starts()).toBe(3);
});

test('after three crashes the failure is told', async () => {
  const trainer = await trainerOf(`process.exit(7);`);
  await expect(run(trainer)).rejects.toMatchObject({
    code: 'TRAINER_FAILED',
    message:
      'trainer: expected it to end by itself, it ended with code 7; if it ran out of memory, lower engine.threads or the number of agents on this machine',
  });
  expect(await starts()).toBe(3);
});

test('memory is no advice where the trainer names another fault', async () => {
  const trainer = await trainerOf(
    `finish({ type: 'failed', code: 'DISK_FULL', message: 'cache: the disk is full; free some space' });`,
  );
  await expect(run(trainer)).rejects.toMatchObject({
    code: 'TRAINER_FAILED',
    message:
      'trainer: expected it to end by itself, it failed with DISK_FULL: cache: the disk is full; free some space',
  });
  expect(await starts()).toBe(3);
});

test('a refusal of its own is passed on at once', async () => {
  const trainer = await trainerOf(
    `finish({ type: 'failed', code: 'DATASET_CLASS_EMPTY', message: 'none of normal' });`,
  );
  await expect(run(trainer)).rejects.toMatchObject({ code: 'DATASET_CLASS_EMPTY' });
  expect(await starts()).toBe(1);
});

test('one that says nothing is killed', async () => {
  const trainer = await trainerOf(`setInterval(() => undefined, 1000);`, {
    silenceMaxMs: 700,
  });
  await expect(run(trainer)).rejects.toMatchObject({
    code: 'TRAINER_FAILED',
    message: expect.stringContaining('it said nothing for 700 ms'),
  });
});

test('one that is called off is killed and not started again', async () => {
  const trainer = await trainerOf(
    `process.send({ type: 'progress', phase: 'training', done: 0, total: 9 });
     setInterval(() => process.send({ type: 'alive' }), 50);`,
  );
  await callOff(trainer);
  expect(await starts()).toBe(1);
});

test('a message of another form ends it', async () => {
  const trainer = await trainerOf(
    `process.send({ type: 'eval', code: '1' }); setInterval(() => 0, 1000);`,
  );
  await expect(run(trainer)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
});

test('a backbone is inspected', async () => {
  const fingerprint = 'ab'.repeat(32);
  const trainer = await trainerOf(
    `process.send({ type: 'inspected', name: job.directory, fingerprint: '${fingerprint}', dimension: 8, blocks: 1, imageSize: 16 });
     finish({ type: 'done' });`,
  );
  expect(await trainer.inspectBackbone('/vit')).toEqual({
    name: '/vit',
    fingerprint,
    dimension: 8,
    blocks: 1,
    imageSize: 16,
  });
});

const answer = `process.send({ type: 'progress', phase: 'training', done: process.pid, total: jobs }); finish({ type: 'done' });`;

/** Which process did a job, and its number there. */
async function doneBy(trainer: ProcessTrainer): Promise<unknown> {
  const [{ done, total } = { done: 0, total: 0 }] = await run(trainer);
  return { pid: done, job: total };
}

test('one process does jobs one after the other', async () => {
  const trainer = await trainerOf(answer);
  const first = await doneBy(trainer);
  const second = await doneBy(trainer);
  const [pid] = await pids();
  expect([first, second]).toEqual([
    { pid, job: 1 },
    { pid, job: 2 },
  ]);
});

test('a refusal leaves the process for a good job', async () => {
  const trainer = await trainerOf(
    `if (jobs === 1) finish({ type: 'failed', code: 'DATASET_CLASS_EMPTY', message: 'none' });
     else { ${answer} }`,
  );
  await expect(run(trainer)).rejects.toMatchObject({ code: 'DATASET_CLASS_EMPTY' });
  const [pid] = await pids();
  expect(await doneBy(trainer)).toEqual({ pid, job: 2 });
});

test('what a fresh process may get past is tried in a fresh one', async () => {
  const trainer = await trainerOf(
    `if (starts === 1) finish({ type: 'failed', code: 'INTERNAL', message: 'odd' });
     else { ${answer} }`,
  );
  const by = await doneBy(trainer);
  expect(by).toEqual({ pid: (await pids())[1], job: 1 });
});

test('after a job that was called off the next one has another process', async () => {
  const trainer = await trainerOf(
    `if (starts === 1) process.send({ type: 'progress', phase: 'training', done: 0, total: 9 });
     else { ${answer} }`,
  );
  await callOff(trainer);
  const [first = 0] = await pids();
  expect(isThere(first)).toBe(false);
  const by = await doneBy(trainer);
  expect(by).toEqual({ pid: (await pids())[1], job: 1 });
});

test('a process that crashed while it waited is replaced', async () => {
  const trainer = await trainerOf(answer);
  await run(trainer);
  const [first = 0] = await pids();
  process.kill(first, 'SIGKILL');
  const by = await doneBy(trainer);
  expect(by).toEqual({ pid: (await pids())[1], job: 1 });
});

test('without work the process ends after a while, and silence is no fault meanwhile', async () => {
  const { jest } = import.meta;
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  const trainer = await trainerOf(answer, { idleMaxMs: 60_000, silenceMaxMs: 20_000 });
  await run(trainer);
  const [first = 0] = await pids();
  for (const count of [2, 3]) {
    jest.advanceTimersByTime(59_999);
    expect(await doneBy(trainer)).toEqual({ pid: first, job: count });
  }
  jest.advanceTimersByTime(60_000);
  jest.useRealTimers();
  await waitUntil(() => !isThere(first), 'the end of an idle trainer');
  const by = await doneBy(trainer);
  expect(by).toEqual({ pid: (await pids())[1], job: 1 });
});

test('a trainer that was stopped keeps no process', async () => {
  const trainer = await trainerOf(answer);
  await run(trainer);
  await trainer.stop();
  expect((await pids()).filter(isThere)).toEqual([]);
});
