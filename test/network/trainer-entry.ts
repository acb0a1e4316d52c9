/** A trainer that does all of a round's work but the network's: no image is decoded, no backbone is run. */
import type { EngineModel } from '#core/engine';
import { ImageStore } from '../../apps/site-agent/src/data/image-store.ts';
import {
  trainerJobSchema,
  type RoundJob,
  type TrainerMessage,
} from '../../apps/site-agent/src/trainer/messages.ts';
import { runRoundJob } from '../../apps/site-agent/src/trainer/round-job.ts';
import { backbone, classes } from './adapter.ts';

const images = new ImageStore();

function send(message: TrainerMessage): void {
  process.send?.(message);
}

/** Gradients that are not all zero, and never the same for two numbers beside each other. */
function idleModel({ layout }: Pick<EngineModel, 'layout'>): EngineModel {
  return {
    layout,
    step: (_batch, adapter) =>
      Promise.resolve({ loss: 1, gradients: adapter.map((value, at) => value + (at % 7) - 3) }),
    perExampleStep: () => Promise.reject(new Error('trainer: no task here asks for privacy')),
    predict: (_images, count) =>
      Promise.resolve(Float32Array.from({ length: count * classes.length }, (_, at) => at % 2)),
    dispose: () => Promise.resolve(),
  };
}

async function run(job: RoundJob): Promise<void> {
  const { imageSize } = job.preprocessing;
  await runRoundJob(job, {
    decode: () => Promise.resolve(new Uint8Array(3 * imageSize ** 2)),
    images,
    loadModel: (adapter) => Promise.resolve(idleModel(adapter)),
    send,
    monotonicTimeMs: () => performance.now(),
  });
}

process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  const job = trainerJobSchema.parse(message);
  if (job.type === 'inspect-backbone') {
    const { name, fingerprint, dimension, blocks, imageSize } = backbone;
    send({ type: 'inspected', name, fingerprint, dimension, blocks, imageSize });
    send({ type: 'done' });
    return;
  }
  run(job).then(
    () => send({ type: 'done' }),
    (error: unknown) => send({ type: 'failed', code: 'INTERNAL', message: String(error) }),
  );
});
