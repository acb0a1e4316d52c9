/** CPU time as /proc tells it. */
import { cpuSeconds, cpuSecondsOfAll, residentMegabytesMax } from './cpu-time.ts';

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

test('processes together are null where one of them is not there', async () => {
  expect(await cpuSecondsOfAll([process.pid, 2 ** 30])).toBeNull();
  expect(await cpuSecondsOfAll([])).toBe(0);
  const [one, two] = await Promise.all([cpuSeconds(process.pid), cpuSecondsOfAll([process.pid])]);
  expect(typeof two).toBe(typeof one);
});

test('the peak of memory is at least what this process has now', async () => {
  const megabytes = await residentMegabytesMax(process.pid);
  if (process.platform !== 'linux') expect(megabytes).toBeNull();
  else expect(megabytes).toBeGreaterThan(process.memoryUsage().rss / 2e6);
  expect(await residentMegabytesMax(2 ** 30)).toBeNull();
});
