/** What the probe writes once a second and thread. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { categoryNames } from './profile.ts';

const probeLineSchema = z.strictObject({
  atMs: z.number(),
  isMainThread: z.boolean(),
  /** Heap and external memory of the thread after a collection. */
  memoryBytes: z.number(),
  /** Wall milliseconds spent waiting for fsync; waits that overlap count each. */
  syncWaitMs: z.number(),
  cpuMs: z.record(z.enum(categoryNames), z.number()),
});
/** What the probe writes once a second and thread. */
export type ProbeLine = z.infer<typeof probeLineSchema>;

/** Read what the probe has written, of all threads. */
export async function readProbeLines(folder: string): Promise<ProbeLine[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ndjson'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts
    .flatMap((text) => text.split('\n').filter((line) => line !== ''))
    .map((line) => probeLineSchema.parse(JSON.parse(line)));
}
