/** A small part of `npm run network`: real processes behind a line that is cut again and again. */
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

const cut = { cutAfterBytes: [1, 2_500_000] } as const;
const fault = {
  name: 'cuts',
  what: 'every connection is cut',
  rounds: 1,
  line: { up: cut, down: cut },
};

test(
  'cuts at any byte in both directions cost the ranges on their way at most, and every site is counted',
  async () => {
    const report = await runNetwork({
      ...{ directory, seed: 'small', sites: 2, faults: [fault] },
      isReturnMeasured: false,
      say: () => undefined,
    });
    expect(report.violations).toEqual([]);
    const [costs] = report.faults;
    // Each file has five million bytes, each connection two and a half at most.
    expect(costs?.cuts).toBeGreaterThanOrEqual(12);
    expect([costs?.up.files, costs?.down.files]).toEqual([2, 4]);
    expect(report.worstResentBytes).toBeLessThanOrEqual(report.windowBytes);
  },
  timeoutMs,
);
