/** CPU time as /proc tells it. */
import { cpuSeconds } from './cpu-time.ts';

test('the CPU time of this process is what Node itself says', async () => {
  const seconds = await cpuSeconds(process.pid);
  if (process.platform !== 'linux') {
    expect(seconds).toBeNull();
    return;
  }
  const { user, system } = process.cpuUsage();
  expect(seconds).toBeGreaterThan(0);
  expect(Math.abs((seconds ?? 0) - (user + system) / 1e6)).toBeLessThan(1);
});

test('a process that does not exist has none', async () => {
  expect(await cpuSeconds(2 ** 30)).toBeNull();
});
