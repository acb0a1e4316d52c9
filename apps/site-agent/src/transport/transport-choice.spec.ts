/** Which way to connect is tried when. */
import { TransportChoice } from './transport-choice.ts';

function choosing(transports: ConstructorParameters<typeof TransportChoice>[0], failuresMax = 2) {
  const time = { nowMs: 1000 };
  const clock = { wallTimeMs: () => 0, monotonicTimeMs: () => time.nowMs };
  return { time, choice: new TransportChoice(transports, failuresMax, clock) };
}

test('polling is tried after so many failures of the websocket in a row, and the websocket after those of polling', () => {
  const { choice } = choosing(['websocket', 'polling']);
  const tried = Array.from({ length: 6 }, () => {
    const next = choice.next();
    choice.failed();
    return next;
  });
  const way = (name: string) => [name, name];
  expect(tried).toEqual([...way('websocket'), ...way('polling'), ...way('websocket')]);
});

test('a connection that stood sets the count back', () => {
  const { choice } = choosing(['websocket', 'polling']);
  for (let turns = 0; turns < 5; turns++) {
    choice.failed();
    choice.succeeded();
  }
  expect(choice.next()).toBe('websocket');
});

test('a fallback that works stays for ten minutes, then the first way has another chance', () => {
  const { time, choice } = choosing(['websocket', 'polling'], 1);
  choice.failed();
  choice.succeeded();
  time.nowMs += 599_000;
  expect(choice.next()).toBe('polling');
  time.nowMs += 2000;
  expect(choice.next()).toBe('websocket');
});

test('one way alone is the only one', () => {
  const { choice } = choosing(['polling'], 1);
  choice.failed();
  choice.failed();
  expect(choice.next()).toBe('polling');
});
