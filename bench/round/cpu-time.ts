/** How much CPU another process has used, and how much memory at its peak: figures that other work on the machine hardly moves. */
import { readFile } from 'node:fs/promises';

const ticksPerSecond = 100; // USER_HZ, the same on every Linux that Node supports

/** Seconds of CPU that a process and its threads have used so far, or null where there is no /proc. */
export async function cpuSeconds(processId: number): Promise<number | null> {
  try {
    const stat = await readFile(`/proc/${processId}/stat`, 'utf8');
    // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? ticks / ticksPerSecond : null;
  } catch {
    return null; // no Linux, or the process has ended
  }
}

/** Seconds of CPU of some processes together, or null where one of them does not tell. */
export async function cpuSecondsOfAll(processIds: readonly number[]): Promise<number | null> {
  const all = await Promise.all(processIds.map(cpuSeconds));
  return all.reduce((sum, seconds) => (sum === null || seconds === null ? null : sum + seconds), 0);
}

/** Megabytes (10^6) of resident memory that a process had at its peak, or null where there is no /proc. */
export async function residentMegabytesMax(processId: number): Promise<number | null> {
  try {
    const status = await readFile(`/proc/${processId}/status`, 'utf8');
    const kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]);
    return Number.isFinite(kilobytes) ? Math.round((kilobytes * 1024) / 1e6) : null;
  } catch {
    return null; // no Linux, or the process has ended
  }
}
