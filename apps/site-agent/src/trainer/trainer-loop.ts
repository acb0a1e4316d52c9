/**
 * What the trainer process does: one job after the other, with model and images of the last one at hand. It may be killed at any
 * moment; what it finished is on disk.
 *
 * Only here, in the agent, are sharp and an engine loaded.
 */
import { setPriority } from 'node:os';
import { fingerprintBackbone } from '#core/backbone';
import type { CrashPoints } from '#core/crash-points';
import { loadBackbone } from '#core/engine';
import { errorCatalog, MeloError } from '#core/errors';
import { decodeImage } from '../data/decode-image.ts';
import { ImageStore } from '../data/image-store.ts';
import {
  trainerJobSchema,
  type RoundJob,
  type TrainerJob,
  type TrainerMessage,
} from './messages.ts';
import { runRoundJob } from './round-job.ts';
import { WarmModel } from './warm-model.ts';

const aliveIntervalMs = 5000;
const politeness = 5; // nice: the agent's heartbeats and the hospital's own work come first

const images = new ImageStore();
const warmModel = new WarmModel();

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

async function round(job: RoundJob, crashPoints: CrashPoints): Promise<void> {
  await runRoundJob(job, {
    decode: decodeImage,
    images,
    loadModel: ({ specification }) => warmModel.get(job, specification),
    send,
    monotonicTimeMs: () => performance.now(),
    crashPoints,
  });
}

async function run(job: TrainerJob, crashPoints: CrashPoints): Promise<void> {
  const alive = setInterval(() => {
    send({ type: 'alive' });
  }, aliveIntervalMs);
  const last = await outcomeOf(job, crashPoints);
  clearInterval(alive);
  send(last);
}

async function outcomeOf(job: TrainerJob, crashPoints: CrashPoints): Promise<TrainerMessage> {
  try {
    await (job.type === 'round' ? round(job, crashPoints) : inspect(job.directory));
    return { type: 'done' };
  } catch (error) {
    const code = error instanceof MeloError ? error.code : 'INTERNAL';
    const message = error instanceof Error ? error.message : errorCatalog.INTERNAL.publicMessage;
    if (!(error instanceof MeloError)) process.stderr.write(`${String(error)}\n`);
    return { type: 'failed', code, message: message.slice(0, 4000) };
  }
}

/** Take jobs of the process that forked this one, until it is gone. */
export function runTrainer(crashPoints: CrashPoints): void {
  try {
    setPriority(politeness);
  } catch {
    // Not every container allows it, and nothing depends on it.
  }
  // Without its agent the trainer must not go on: the next agent starts one on the same files.
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message) => {
    void run(trainerJobSchema.parse(message), crashPoints);
  });
}
