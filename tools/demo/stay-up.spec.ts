import { EventEmitter } from 'node:events';
import { untilControlC } from './stay-up.ts';

/** A keyboard that records its modes. */
class FakeKeyboard extends EventEmitter {
  readonly modes: boolean[] = [];
  isPaused = false;
  constructor(readonly isTTY: boolean) {
    super();
  }
  setRawMode(isRaw: boolean): void {
    this.modes.push(isRaw);
  }
  pause(): void {
    this.isPaused = true;
  }
}

const never = new Promise<never>(() => undefined);
/** Whether a promise has settled after the turns that it could need. */
async function isOver(promise: Promise<void>): Promise<boolean> {
  let isSettled = false;
  void promise.then(() => (isSettled = true));
  await new Promise((resolve) => setImmediate(resolve));
  return isSettled;
}

test('Ctrl-C as a key ends it, no other key does, and the terminal has its mode again', async () => {
  const keyboard = new FakeKeyboard(true);
  const waiting = untilControlC(keyboard, never);
  keyboard.emit('data', Buffer.from('abc'));
  expect(await isOver(waiting)).toBe(false);
  keyboard.emit('data', Buffer.from('\u0003'));
  await waiting;
  expect(keyboard.modes).toEqual([true, false]);
  expect(keyboard.isPaused).toBe(true);
});

test('a signal ends it too', async () => {
  const keyboard = new FakeKeyboard(true);
  await untilControlC(keyboard, Promise.resolve());
  expect(keyboard.modes).toEqual([true, false]);
});

test('where there is no keyboard nothing is read, and the signal alone counts', async () => {
  const keyboard = new FakeKeyboard(false);
  expect(await isOver(untilControlC(keyboard, never))).toBe(false);
  await untilControlC(keyboard, Promise.resolve());
  expect(keyboard.modes).toEqual([]);
});
