/** What `npm run fuzz:api` runs: its options come in MELO_FUZZ, its report goes into the file that they name. */
import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { fuzzApi } from './fuzz-api.ts';

const optionsSchema = z.strictObject({
  cases: z.number().int().min(1),
  seed: z.number().int().min(0),
  program: z.string(),
  reportFile: z.string(),
});
const hoursMax = 3;

test(
  'no answer is a 5xx or outside the document',
  async () => {
    const options = optionsSchema.parse(JSON.parse(process.env['MELO_FUZZ'] ?? ''));
    const report = await fuzzApi(options);
    await writeFile(options.reportFile, JSON.stringify(report));
    expect(report.serverErrors).toEqual([]);
    expect(report.isClean).toBe(true);
  },
  hoursMax * 3_600_000,
);
