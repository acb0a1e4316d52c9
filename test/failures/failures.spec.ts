/** A sample of `npm run failures`: now and then a call of the database or of a file fails, in turn in every way. */
import { FailureRun } from './run-failures.ts';

test('whichever call of a round fails, the round ends cleanly and nothing acknowledged is lost', async () => {
  const sample = { every: 17, restartEvery: 8, ways: 'rotating' } as const;
  const report = await new FailureRun({ ...sample, scenario: 'round' }).run();
  expect(report.violations).toEqual([]);
  expect(report.calls).toBeGreaterThan(100);
  expect(Object.keys(report.failed).length).toBeGreaterThan(3);
  expect(report.restarts).toBeGreaterThan(0);
}, 180_000);
