/** Progress of transfers: rarely, and with the time that is left. */
import { TransferMeter } from './transfer-meter.ts';

test('it tells every two seconds, from the third on and at the end, and counts what came in this run alone', () => {
  let nowMs = 0;
  const meter = new TransferMeter(10_000, 4000, () => nowMs);
  const told: unknown[] = [];
  for (let bytes = 4000; bytes <= 10_000; bytes += 500) {
    told.push(meter.report(bytes)?.etaSeconds);
    nowMs += 1000;
  }
  const none = undefined;
  expect(told).toEqual([none, none, 10, none, 8, none, 6, none, 4, none, 2, none, 0]);
});

test('a short transfer is told of once', () => {
  const meter = new TransferMeter(10, 0, () => 5);
  expect(meter.report(4)).toBeNull();
  expect(meter.report(10)).toEqual({ etaSeconds: 0 });
});
