/** What `npm run failures` runs: its options come in MELO_FAILURES, its report goes into the file that they name. */
import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { FailureRun, type FoundViolation } from './run-failures.ts';

const optionsSchema = z.strictObject({
  every: z.number().int().min(1),
  restartEvery: z.number().int().min(0),
  ways: z.enum(['all', 'rotating']),
  scenario: z.enum(['round', 'start']),
  only: z.string().nullable(),
  part: z.strictObject({ from: z.number().int(), count: z.number().int() }),
  reportFile: z.string(),
});
const hoursMax = 3;
const progressIntervalMs = 5000;

test(
  'every call fails once',
  async () => {
    const options = optionsSchema.parse(JSON.parse(process.env['MELO_FAILURES'] ?? ''));
    const startedAtMs = performance.now();
    let saidAtMs = startedAtMs;
    const onProgress = (done: number, total: number): void => {
      const nowMs = performance.now();
      const since = done - options.part.from;
      if (since === 0 || nowMs - saidAtMs < progressIntervalMs) return;
      saidAtMs = nowMs;
      const leftSeconds = Math.round(((nowMs - startedAtMs) / 1000 / since) * (total - done));
      process.stderr.write(`failures: ${done} of ${total}, about ${leftSeconds} s left\n`);
    };
    const onViolation = ({ failure, call, what }: FoundViolation): void => {
      process.stderr.write(`failures: ${failure} at ${call}\n  ${what}\n`);
    };
    const report = await new FailureRun({ ...options, onProgress, onViolation }).run();
    await writeFile(options.reportFile, JSON.stringify(report));
    expect(report.violations).toEqual([]);
  },
  hoursMax * 3_600_000,
);
