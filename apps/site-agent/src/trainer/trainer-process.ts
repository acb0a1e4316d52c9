/**
 * The trainer process: one job, then the end. It may be killed at any moment; what it finished is on disk.
 *
 * Only here, in the agent, are sharp and an engine loaded.
 */
import { setPriority } from 'node:os';
import { fingerprintBackbone } from '#core/backbone';
import { createEngine, loadBackbone } from '#core/engine';
import { errorCatalog, MeloError } from '#core/errors';
import { decodeImage } from '../data/decode-image.ts';
import {
  trainerJobSchema,
  type RoundJob,
  type TrainerJob,
  type TrainerMessage,
} from './messages.ts';
import { runRoundJob } from './round-job.ts';

const aliveIntervalMs = 5000;
const politeness = 5; // nice: the agent's heartbeats and the hospital's own work come first

function send(message: TrainerMessage): void {
  process.send?.(message);
}

async function inspect(directory: string): Promise<void> {
  const backbone = await loadBackbone(directory);
  try {
    const fingerprint = await fingerprintBackbone(backbone);
    const { dimension, blocks, imageSize } = backbone.configuration;
    send({ type: 'inspected', name: backbone.name, fingerprint, dimension, blocks, imageSize });
  } finally {
    await backbone.close();
  }
}

async function round(job: RoundJob): Promise<void> {
  const backbone = await loadBackbone(job.backboneDirectory);
  try {
    await runRoundJob(job, {
      decode: decodeImage,
      loadModel: async ({ specification }) => {
        const { name, ...options } = job.engine;
        const engine = await createEngine({ engine: name, ...options });
        return engine.load(backbone, specification);
      },
      send,
      monotonicTimeMs: () => performance.now(),
    });
  } finally {
    await backbone.close();
  }
}

async function run(job: TrainerJob): Promise<void> {
  const last = await outcomeOf(job);
  process.send?.(last, undefined, undefined, () => {
    process.disconnect(); // only once the last message is out
  });
}

async function outcomeOf(job: TrainerJob): Promise<TrainerMessage> {
  try {
    await (job.type === 'round' ? round(job) : inspect(job.directory));
    return { type: 'done' };
  } catch (error) {
    const code = error instanceof MeloError ? error.code : 'INTERNAL';
    const message = error instanceof Error ? error.message : errorCatalog.INTERNAL.publicMessage;
    if (!(error instanceof MeloError)) process.stderr.write(`${String(error)}\n`);
    return { type: 'failed', code, message: message.slice(0, 4000) };
  }
}

function start(): void {
  try {
    setPriority(politeness);
  } catch {
    // Not every container allows it, and nothing depends on it.
  }
  // Without its agent the trainer must not go on: the next agent starts one on the same files.
  process.on('disconnect', () => process.exit(0));
  process.once('message', (message) => {
    void run(trainerJobSchema.parse(message));
  });
  setInterval(() => {
    send({ type: 'alive' });
  }, aliveIntervalMs).unref();
}

start();
