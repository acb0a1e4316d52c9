/** The window of ranges: what is under way at once, and what a failure leaves. */
import { limits } from '#core/protocol';
import { RangeWindow } from './range-window.ts';

test('it grows by quick answers to the limit, and halves by slow ones down to one', () => {
  const window = new RangeWindow();
  const sizes = [10, 10, 10, 10, 5000, 33_000, 33_000, 33_000, 10].map((tookMs) => {
    window.answered(tookMs);
    return window.size;
  });
  expect(sizes).toEqual([2, 3, 4, 4, 4, 2, 1, 1, 2]);
  expect(limits.rangesUnderWayMax).toBe(4);
});

test('never more than the limit is under way, and everything is done once', async () => {
  let underWay = 0;
  let most = 0;
  const done: number[] = [];
  await new RangeWindow().run(Array.from({ length: 40 }).keys(), async (item) => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((wake) => setImmediate(wake));
    underWay -= 1;
    done.push(item);
  });
  expect(most).toBe(limits.rangesUnderWayMax);
  expect(done.sort((a, b) => a - b)).toEqual([...Array.from({ length: 40 }).keys()]);
});

test('after a failure none is begun, and it is thrown once nothing is under way', async () => {
  const begun: number[] = [];
  let ended = 0;
  const work = async (item: number): Promise<void> => {
    begun.push(item);
    for (let turns = 0; turns < 3; turns++) await new Promise((wake) => setImmediate(wake));
    ended += 1;
    if (item === 5) throw new Error('the line broke');
  };
  await expect(new RangeWindow().run(Array.from({ length: 40 }).keys(), work)).rejects.toThrow(
    'the line broke',
  );
  expect(ended).toBe(begun.length);
  expect(begun.length).toBeLessThanOrEqual(5 + 1 + limits.rangesUnderWayMax);
});
