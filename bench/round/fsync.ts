/** How long this machine's disk takes to make a write durable: the floor under everything that is acknowledged. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { median } from './median.ts';

const repeats = 41;
const writeBytes = 8192; // one page of the database

/** Measure the median milliseconds of one write of a page with its fsync, in a folder. */
export async function measureFsyncMs(folder: string): Promise<number> {
  const file = join(folder, 'fsync-probe');
  const handle = await open(file, 'w');
  const page = Buffer.alloc(writeBytes, 1);
  try {
    const timesMs: number[] = [];
    for (let at = 0; at < repeats; at++) {
      const startMs = performance.now();
      await handle.write(page, 0, page.length, at * page.length);
      await handle.sync();
      timesMs.push(performance.now() - startMs);
    }
    return median(timesMs);
  } finally {
    await handle.close();
    await rm(file, { force: true });
  }
}
