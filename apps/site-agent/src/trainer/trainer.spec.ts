/** Trainer processes: restarted a bounded number of times, killed when silent or called off, refusals passed on. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../common/events.ts';
import { roundJobSchema, type TrainerProgress } from './messages.ts';
import { ProcessTrainer } from './trainer.ts';

let directory: string;

const job = roundJobSchema.parse({
  type: 'round',
  parts: ['evaluate-global'],
  workDirectory: '/work',
  backboneDirectory: '/vit',
  adapterFile: '/adapter',
  engine: { name: 'onnx', device: 'auto', threads: 1, cacheDirectory: '/cache' },
  imageCache: { directory: '/cache', bytesMax: 0 },
  unreadableFile: '/unreadable',
  task: { images: '/images', heldOutShare: 0.2, splitSeed: 's' },
  preprocessing: {
    version: 1,
    imageSize: 16,
    resize: 'fill',
    crop: 'none',
    kernel: 'cubic',
    channels: 'rgb',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  },
  training: null,
  checkpointIntervalMs: 0,
  evaluationBatchSize: 1,
});

/** A trainer process of a few lines; `starts` counts how often it was started. */
async function trainerOf(body: string, silenceMaxMs = 20_000): Promise<ProcessTrainer> {
  const processFile = join(directory, 'process.mjs');
  await writeFile(
    processFile,
    `import { appendFileSync, readFileSync } from 'node:fs';
     appendFileSync(${JSON.stringify(join(directory, 'starts'))}, 'x');
     const starts = readFileSync(${JSON.stringify(join(directory, 'starts'))}, 'utf8').length;
     const finish = (message) => process.send(message, undefined, undefined, () => process.disconnect());
     process.once('message', (job) => { ${body} });`,
  );
  return new ProcessTrainer({
    processFile,
    attempts: 3,
    restartDelayMs: 1,
    silenceMaxMs,
    logger: silentLogger,
  });
}

const starts = async (): Promise<number> =>
  (await readFile(join(directory, 'starts'), 'utf8')).length;

async function run(
  trainer: ProcessTrainer,
  signal = new AbortController().signal,
): Promise<TrainerProgress[]> {
  const progress: TrainerProgress[] = [];
  const handlers = {
    onProgress: (each: TrainerProgress) => progress.push(each),
    onFinished: () => undefined,
    onUnreadable: () => undefined,
  };
  await trainer.run(job, handlers, signal);
  return progress;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-trainer-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

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
  await expect(run(trainer)).rejects.toMatchObject({ code: 'TRAINER_FAILED' });
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
  const trainer = await trainerOf(`setInterval(() => undefined, 1000);`, 700);
  await expect(run(trainer)).rejects.toMatchObject({ code: 'TRAINER_FAILED' });
});

test('one that is called off is killed and not started again', async () => {
  const trainer = await trainerOf(
    `process.send({ type: 'alive' }); setInterval(() => process.send({ type: 'alive' }), 50);`,
  );
  const abort = new AbortController();
  const running = run(trainer, abort.signal);
  setTimeout(() => {
    abort.abort();
  }, 300);
  await expect(running).rejects.toBeDefined();
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
