/** A small part of `npm run network`: real processes behind a line that is cut again and again. */
import { faults } from '../network/faults.ts';
import { runNetwork } from '../network/run-network.ts';
import { killAllProcesses } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';

const timeoutMs = 300_000;

let directory: string;
let removeDirectory: () => Promise<void>;

beforeAll(async () => {
  ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('network'));
});

afterAll(async () => {
  await killAllProcesses();
  await removeDirectory();
}, timeoutMs);

test(
  'cuts at any byte, in both directions, cost the ranges on their way at most, and every site is counted',
  async () => {
    const report = await runNetwork({
      ...{ directory, seed: 'small', sites: 2 },
      faults: faults
        .filter(({ name }) => name === 'cut-up' || name === 'cut-down')
        .map((fault) => ({ ...fault, rounds: 1 })),
      isReturnMeasured: false,
      say: () => undefined,
    });
    expect(report.violations).toEqual([]);
    const [up, down] = report.faults;
    // Each file has five million bytes, each connection two and a half at most.
    expect(up?.cuts).toBeGreaterThanOrEqual(4);
    expect(down?.cuts).toBeGreaterThanOrEqual(4);
    expect([up?.up.files, down?.down.files]).toEqual([2, 4]);
    expect(report.worstResentBytes).toBeLessThanOrEqual(report.windowBytes);
  },
  timeoutMs,
);
