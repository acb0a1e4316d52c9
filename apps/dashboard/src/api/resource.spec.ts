import { live } from './live.ts';
import { Resource } from './resource.ts';

const { jest } = import.meta;
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  jest.useRealTimers();
});

/** Something that is shown, whose readings end when the test says so. */
function shown() {
  const readings: ((value: number) => void)[] = [];
  const resource = new Resource(() => new Promise<number>((end) => readings.push(end)), ['tasks']);
  const stop = resource.subscribe(() => undefined);
  stops.push(stop);
  return { resource, readings, stop };
}

/** Whether something has ended once everything that needs no time has happened. */
async function hasEnded(work: Promise<void>): Promise<boolean> {
  const isEnded = work.then(() => true);
  return Promise.race([isEnded, new Promise<false>((end) => setImmediate(() => end(false)))]);
}

/** Let everything that needs no time happen. */
const settle = () => new Promise((end) => setImmediate(end));

test('after an own change the page is looked at once it shows what was read after the change', async () => {
  const { resource, readings } = shown();
  const looked = live.look();
  readings[0]?.(1); // was on its way before the change: it may tell what was there before
  await settle();
  expect([resource.snapshot().data, await hasEnded(looked)]).toEqual([1, false]);
  expect(readings.length).toBe(2); // at once, without the pause between readings that nobody waits for
  readings[1]?.(2);
  expect([await hasEnded(looked), resource.snapshot().data]).toEqual([true, 2]);
});

test('an own change during the pause between two readings is read at once', async () => {
  const { resource, readings } = shown();
  readings[0]?.(1);
  await settle();
  const looked = live.look();
  await settle();
  expect(readings.length).toBe(2);
  readings[1]?.(2);
  await looked;
  expect(resource.snapshot().data).toBe(2);
});

test('nobody waits for what is no longer shown', async () => {
  const { readings, stop } = shown();
  const looked = live.look();
  stop();
  expect(await hasEnded(looked)).toBe(true);
  expect(readings.length).toBe(1);
});

test('what was asked for by somebody who has left is not shown to whoever comes next', async () => {
  const { resource, readings, stop } = shown();
  stop();
  stops.push(resource.subscribe(() => undefined));
  readings[0]?.(1);
  await settle();
  expect([resource.snapshot().data, readings.length]).toEqual([undefined, 2]);
  readings[1]?.(2);
  await settle();
  expect(resource.snapshot().data).toBe(2);
});

test('a coordinator that answers nothing holds nobody up for longer than five seconds', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  shown();
  const looked = live.look();
  await jest.advanceTimersByTimeAsync(4_900);
  expect(await hasEnded(looked)).toBe(false);
  await jest.advanceTimersByTimeAsync(200);
  expect(await hasEnded(looked)).toBe(true);
});

test('what happens elsewhere is read in one go after a pause', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  const { resource, readings } = shown();
  readings[0]?.(1);
  await settle();
  void resource.look();
  void resource.look();
  await settle();
  expect(readings.length).toBe(1);
  await jest.advanceTimersByTimeAsync(700);
  expect(readings.length).toBe(2);
});
