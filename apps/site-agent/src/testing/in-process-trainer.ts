/** A trainer for specs: the real work of a round in this process, on a model of a few numbers, stopped where a spec says. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { AdapterFile } from '#core/adapter';
import { blake2b256, deterministicBytes } from '#core/crypto';
import { perExampleOneByOne, type EngineModel } from '#core/engine';
import { InputError } from '#core/errors';
import type { InspectedBackbone, RoundJob, TrainerMessage } from '../trainer/messages.ts';
import { ImageStore } from '../data/image-store.ts';
import { runRoundJob } from '../trainer/round-job.ts';
import type { JobHandlers, Trainer } from '../trainer/trainer.ts';

/** Decode a spec's image: its bytes follow from the file's content; a name with `broken` cannot be read. */
export async function fakeDecode(file: string): Promise<Uint8Array> {
  if (basename(file).includes('broken')) throw new InputError('IMAGE_UNREADABLE', 'broken');
  return deterministicBytes(blake2b256(await readFile(file)), 16 * 16 * 3);
}

/** A model whose gradients depend on the batch and on the adapter, so that order and start matter. */
export function fakeModel({
  layout,
  specification,
}: Pick<AdapterFile, 'layout' | 'specification'>): EngineModel {
  const classes = specification.classes.length;
  const step: EngineModel['step'] = ({ images, targets }, adapter) => {
    let mean = 0;
    for (const [index, value] of images.entries()) mean += value * ((index % 7) - 3);
    mean = mean / images.length + (targets[0] ?? 0);
    const gradients = adapter.map((value, index) => value * 0.1 + mean * Math.cos(index));
    return Promise.resolve({ loss: 1 + Math.abs(mean), gradients });
  };
  return {
    layout,
    step,
    perExampleStep: (batch, adapter, options) =>
      perExampleOneByOne({ layout, step }, classes, batch, adapter, options),
    predict: (images, count, adapter) => {
      const size = images.length / count;
      const logits = Float32Array.from({ length: count * classes }, (_, index) => {
        const pixel = images[Math.floor(index / classes) * size] ?? 0;
        return index % classes === 0 ? pixel : (adapter.at(-1) ?? 0);
      });
      return Promise.resolve(logits);
    },
    dispose: () => Promise.resolve(),
  };
}

/** Runs rounds in this process. */
export class InProcessTrainer implements Trainer {
  /** Jobs that were started. */
  readonly jobs: RoundJob[] = [];
  /** Progress and ends of parts, in order. */
  readonly messages: TrainerMessage[] = [];
  /** Where it holds for a message, the work stops there for ever, as if the machine had lost its power. */
  stopsAt: (message: TrainerMessage) => boolean = () => false;
  /** Where set, the next jobs fail with it. */
  failure: Error | null = null;
  /** The model of the next jobs. */
  model: (adapter: AdapterFile) => EngineModel = fakeModel;
  /** Called when the work stopped. */
  onStopped: () => void = () => undefined;

  async run(job: RoundJob, handlers: JobHandlers, signal: AbortSignal): Promise<void> {
    this.jobs.push(job);
    if (this.failure !== null) throw this.failure;
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => {
        reject(new Error('called off'));
      });
    });
    aborted.catch(() => undefined); // a job that ends first is not called off
    let isStopped = false;
    const send = (message: TrainerMessage): void => {
      if (isStopped) throw new Error('stopped');
      if (this.stopsAt(message)) {
        isStopped = true;
        this.onStopped();
        throw new Error('stopped');
      }
      this.messages.push(message);
      if (message.type === 'progress') handlers.onProgress(message);
      if (message.type === 'finished') handlers.onFinished(message.part);
      if (message.type === 'unreadable') handlers.onUnreadable(message.count);
    };
    const work = runRoundJob(job, {
      decode: fakeDecode,
      images: new ImageStore(),
      loadModel: (adapter) => Promise.resolve(this.model(adapter)),
      send,
      monotonicTimeMs: () => performance.now(),
    }).catch((error: unknown) => {
      if (!isStopped) throw error;
      return new Promise<void>(() => undefined);
    });
    await Promise.race([work, aborted]);
  }

  inspectBackbone(): Promise<InspectedBackbone> {
    return Promise.reject(new Error('not needed here'));
  }
}
