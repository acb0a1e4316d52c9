/**
 * Loaded into the coordinator before its own code (`node --import`): where its CPU time goes, how long it waits for the disk, and how
 * much memory is left after a garbage collection. Every thread writes a line a second into the folder that MELO_BENCH_PROBE names.
 */
import { appendFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { Session, type Profiler } from 'node:inspector';
import { join } from 'node:path';
import { isMainThread, threadId } from 'node:worker_threads';
import { collectGarbage } from '../leak/slope.ts';
import { cpuByCategory } from './profile.ts';
import type { ProbeLine } from './probe-line.ts';

const intervalMs = 1000;
const samplingMicroseconds = 500;

const folder = process.env['MELO_BENCH_PROBE'];
if (folder === undefined) throw new Error('probe: MELO_BENCH_PROBE names no folder');
const file = join(folder, `${threadId}.ndjson`);

let waitedMs = 0;

/** Every `handle.sync()` of this thread adds its wall time. */
async function countSyncs(probeFile: string): Promise<void> {
  const handle = await open(probeFile, 'w');
  const prototype = Reflect.getPrototypeOf(handle);
  await handle.close();
  await rm(probeFile, { force: true });
  const sync: unknown = prototype === null ? null : Reflect.get(prototype, 'sync');
  if (prototype === null || typeof sync !== 'function') throw new Error('probe: no sync of files');
  const timedSync = async function (this: unknown): Promise<void> {
    const startMs = performance.now();
    try {
      await Reflect.apply(sync, this, []);
    } finally {
      waitedMs += performance.now() - startMs;
    }
  };
  Reflect.set(prototype, 'sync', timedSync);
}

/** Heap and memory outside it, after a collection; the worker's garbage is collected by its own probe. */
function memoryBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: samplingMicroseconds });
session.post('Profiler.start');

function write(profile: Profiler.Profile): void {
  const line: ProbeLine = {
    atMs: Date.now(),
    isMainThread,
    memoryBytes: memoryBytes(),
    syncWaitMs: waitedMs,
    cpuMs: cpuByCategory(profile),
  };
  waitedMs = 0;
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

await countSyncs(join(folder, `sync-${threadId}`));
setInterval(() => {
  session.post('Profiler.stop', (_error, { profile }) => {
    write(profile);
    session.post('Profiler.start');
  });
}, intervalMs).unref();
