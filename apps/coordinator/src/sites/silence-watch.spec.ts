/** Half-open connections of sites: found by their silence, and never taken for one that is only slow. */
import { SilenceWatch, type WatchedSocket } from './silence-watch.ts';

const limits = { lookIntervalMs: 5000, aliveIntervalMs: 15_000, silenceMaxMs: 45_000 };

class FakeSocket implements WatchedSocket {
  bytes: number | null = 0;
  saidAlive = 0;
  isCut = false;
  bytesReceived(): number | null {
    return this.bytes;
  }
  sayAlive(): void {
    this.saidAlive += 1;
  }
  cut(): void {
    this.isCut = true;
  }
}

function watching(): {
  readonly watch: SilenceWatch;
  readonly socket: FakeSocket;
  /** Let time pass, looking at every interval. */
  readonly pass: (ms: number, each?: () => void) => void;
  readonly jump: (ms: number) => void;
} {
  let nowMs = 1000;
  const watch = new SilenceWatch({ wallTimeMs: () => nowMs, monotonicTimeMs: () => nowMs }, limits);
  const socket = new FakeSocket();
  watch.add(socket);
  const jump = (ms: number): void => {
    nowMs += ms;
  };
  const pass = (ms: number, each: () => void = () => undefined): void => {
    for (let passed = 0; passed < ms; passed += limits.lookIntervalMs) {
      jump(limits.lookIntervalMs);
      each();
      watch.look();
    }
  };
  return { watch, socket, pass, jump };
}

test('a site without a byte is cut within 50 seconds, and not before 45', () => {
  const { socket, pass } = watching();
  pass(45_000);
  expect(socket.isCut).toBe(false);
  pass(5000);
  expect(socket.isCut).toBe(true);
});

test('a byte now and then is a sign of life, as while one large message comes over a slow line', () => {
  const { socket, pass } = watching();
  pass(600_000, () => (socket.bytes = (socket.bytes ?? 0) + 1));
  expect(socket.isCut).toBe(false);
});

test('where the transport does not tell, nothing is cut', () => {
  const { socket, pass } = watching();
  socket.bytes = null;
  pass(600_000);
  expect(socket.isCut).toBe(false);
});

test('every site hears four signs of life a minute, whatever it sends itself', () => {
  const { socket, pass } = watching();
  socket.bytes = null;
  pass(60_000);
  expect(socket.saidAlive).toBe(4);
});

test('time in which this process stood still is not held against the sites', () => {
  const { watch, socket, pass, jump } = watching();
  pass(40_000);
  jump(100_000);
  watch.look();
  expect(socket.isCut).toBe(false);
  pass(45_000);
  expect(socket.isCut).toBe(false);
  pass(5000);
  expect(socket.isCut).toBe(true);
});

test('a connection that ended is looked at no more', () => {
  const { watch, socket, pass } = watching();
  watch.forget(socket);
  pass(600_000);
  expect([socket.isCut, socket.saidAlive]).toEqual([false, 0]);
});
