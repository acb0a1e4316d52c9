/** Entry of the worker thread: one job at a time, in the order of asking. */
import { parentPort } from 'node:worker_threads';
import { MeloError } from '#core/errors';
import { DurableFiles } from '../common/durable-files.ts';
import type { WorkRequest, WorkResponse } from './adapter-work.messages.ts';
import { aggregate, makeAlone, makeInitial, verifyUpdate } from './adapter-work.ts';
import { OpenedUpdates } from './opened-updates.ts';

const bench = { opened: new OpenedUpdates(), files: new DurableFiles() };

async function answer(request: WorkRequest): Promise<WorkResponse> {
  const { id } = request;
  try {
    switch (request.kind) {
      case 'initial':
        return { id, kind: 'made', version: makeInitial(request.job) };
      case 'verify':
        return { id, kind: 'verified', rejection: await verifyUpdate(request.job, bench) };
      case 'aggregate':
        return { id, kind: 'made', version: await aggregate(request.job, bench) };
      case 'alone':
        return { id, kind: 'made', version: await makeAlone(request.job, bench) };
    }
  } catch (error) {
    const isOurs = error instanceof MeloError;
    return {
      id,
      kind: 'failed',
      code: isOurs ? error.code : 'INTERNAL',
      message: isOurs ? error.message : `worker: ${error instanceof Error ? error.name : 'failed'}`,
    };
  }
}

let tail = Promise.resolve();
parentPort?.on('message', (request: WorkRequest) => {
  tail = tail.then(async () => {
    parentPort?.postMessage(await answer(request));
  });
});
