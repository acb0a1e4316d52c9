/** The heavy work in one worker thread, started at the first job and again after it failed. */
import { Worker } from 'node:worker_threads';
import { InvariantError, isErrorCode, RelayedError, UnavailableError } from '#core/errors';
import type { WorkRequest, WorkResponse } from './adapter-work.messages.ts';
import type { AdapterWork, MadeVersion } from './adapter-work.ts';

type Job = WorkRequest extends infer Request
  ? Request extends { readonly id: number }
    ? Omit<Request, 'id'>
    : never
  : never;

interface Waiting {
  readonly resolve: (response: WorkResponse) => void;
  readonly reject: (error: Error) => void;
}

// The worker's file stands beside this one, built (.js) or in source (.ts).
const workerFile = `./adapter-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`;

/** The heavy work in one worker thread. */
export class WorkerAdapterWork implements AdapterWork {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #nextId = 0;
  #isClosed = false;

  async makeInitial(job: Parameters<AdapterWork['makeInitial']>[0]): Promise<MadeVersion> {
    return made(await this.#ask({ kind: 'initial', job }));
  }

  async verifyUpdate(
    job: Parameters<AdapterWork['verifyUpdate']>[0],
  ): ReturnType<AdapterWork['verifyUpdate']> {
    const response = await this.#ask({ kind: 'verify', job });
    if (response.kind === 'verified') return response.rejection;
    throw unexpected(response);
  }

  async aggregate(job: Parameters<AdapterWork['aggregate']>[0]): Promise<MadeVersion> {
    return made(await this.#ask({ kind: 'aggregate', job }));
  }

  async makeAlone(job: Parameters<AdapterWork['makeAlone']>[0]): Promise<MadeVersion> {
    return made(await this.#ask({ kind: 'alone', job }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
  }

  #ask(job: Job): Promise<WorkResponse> {
    if (this.#isClosed) {
      const stopping = 'worker: expected a running coordinator, it is stopping; try again later';
      return Promise.reject(new UnavailableError('SHUTTING_DOWN', stopping));
    }
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ ...job, id });
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL(workerFile, import.meta.url));
    worker.unref();
    worker.on('message', (response: WorkResponse) => {
      this.#waiting.get(response.id)?.resolve(response);
      this.#waiting.delete(response.id);
    });
    const fail = (cause?: unknown): void => {
      if (this.#worker === worker) this.#worker = null;
      const error = new UnavailableError(
        'STORE_UNAVAILABLE',
        'worker: expected an answer, the thread ended; the work is tried again',
        {},
        { cause },
      );
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    worker.on('error', fail);
    worker.on('exit', () => {
      fail();
    });
    return worker;
  }
}

function made(response: WorkResponse): MadeVersion {
  if (response.kind === 'made') return response.version;
  throw unexpected(response);
}

function unexpected(response: WorkResponse): Error {
  if (response.kind === 'failed' && isErrorCode(response.code)) {
    return new RelayedError(response.code, response.message);
  }
  return new InvariantError(`worker: expected another answer, got ${response.kind}`);
}
