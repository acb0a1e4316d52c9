/** Crash points that end their own process: which one, and at which time it is reached, stands in a file. */
import { readFileSync, renameSync, writeFileSync, existsSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { crashPointNames, type CrashPointName, type CrashPoints } from '#core/crash-points';

const armedSchema = z.strictObject({
  point: z.enum(crashPointNames),
  /** Times that it is passed unharmed before. */
  passes: z.number().int().min(0),
});

const hitFile = (file: string): string => `${file}.hit`;

function readArmed(file: string): z.infer<typeof armedSchema> | null {
  try {
    return armedSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null; // nothing is armed, or it is just being armed
  }
}

/** Crash points for a process that watches this file at each of them. */
export function armedCrashPoints(file: string): CrashPoints {
  let passed = 0;
  return {
    reach: (point) => {
      const armed = readArmed(file);
      if (armed?.point !== point) return;
      if (passed < armed.passes) {
        passed += 1;
        return;
      }
      renameSync(file, hitFile(file));
      process.kill(process.pid, 'SIGKILL');
      // The signal is on its way; nothing after the point may happen before it arrives.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    },
  };
}

/** Arm a point: the process that reaches it, and watches this file, ends. */
export function armPoint(file: string, point: CrashPointName, passes: number): void {
  rmSync(hitFile(file), { force: true });
  writeFileSync(`${file}.new`, JSON.stringify({ point, passes }));
  renameSync(`${file}.new`, file);
}

/** Whether the armed point was reached. */
export const isPointHit = (file: string): boolean => existsSync(hitFile(file));

/** Arm nothing any more. */
export function disarmPoint(file: string): void {
  rmSync(file, { force: true });
}
