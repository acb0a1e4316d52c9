/** The proxy that stands for a bad network: each fault does what it says, and what it passes on is untouched. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { z } from 'zod';
import { seededRng } from '#core/rng';
import { FaultProxy } from './support/fault-proxy.ts';

const bytes = Buffer.from(
  Uint8Array.from({ length: 200_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff),
);
let server: Server;
let proxy: FaultProxy;
/** What came at the server, by connection. */
let arrived: { socket: Socket; bytes: Buffer; isClosed: boolean }[];

beforeEach(async () => {
  arrived = [];
  server = createServer((socket) => {
    const record = { socket, bytes: Buffer.alloc(0), isClosed: false };
    arrived.push(record);
    socket.on('data', (chunk: Buffer) => (record.bytes = Buffer.concat([record.bytes, chunk])));
    socket.on('error', () => undefined);
    socket.on('close', () => (record.isClosed = true));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  proxy = await FaultProxy.open({ upstreamPort: port, seed: 'fault proxy spec' });
});

afterEach(async () => {
  await proxy.close();
  for (const { socket } of arrived) socket.destroy();
  server.close();
});

async function client(): Promise<Socket> {
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  return socket;
}

/** The close, whether or not an error came before it. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((done) => socket.once('close', () => done()));

/** Time for a close to get through, if it did. */
const closedSoon = async (socket: Socket): Promise<void> => {
  await once(socket, 'finish');
  await new Promise((wake) => setTimeout(wake, 50));
};

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((wake) => setTimeout(wake, 5));
}

test('without a fault both directions arrive as they were sent, and the end too', async () => {
  const socket = await client();
  socket.end(bytes);
  await until(() => arrived[0]?.isClosed === true);
  expect(Buffer.compare(arrived[0]?.bytes ?? Buffer.alloc(0), bytes)).toBe(0);
  expect(proxy.counts).toMatchObject({ connections: 1, up: bytes.length, cuts: 0, resets: 0 });
});

test('latency, a narrow line and drips change when bytes come, not which', async () => {
  proxy.faults = {
    up: { latencyMs: [1, 20], bytesPerSecond: 2_000_000, dripBytes: [1, 9], dripForBytes: 500 },
    down: { latencyMs: [20, 20] },
  };
  const socket = await client();
  const startedMs = performance.now();
  socket.write(bytes);
  await until(() => arrived[0]?.bytes.length === bytes.length);
  // 200,000 bytes over this line take a tenth of a second at the least: never faster, whatever the machine does.
  expect(performance.now() - startedMs).toBeGreaterThan(95);
  expect(Buffer.compare(arrived[0]?.bytes ?? Buffer.alloc(0), bytes)).toBe(0);
  arrived[0]?.socket.end('done');
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toBe('done');
});

test('a cut comes after exactly the byte that the seed says', async () => {
  proxy.faults = { up: { cutAfterBytes: [1000, 90_000] } };
  for (let cuts = 1; cuts <= 4; cuts++) {
    const socket = await client();
    socket.write(bytes);
    await closed(socket);
    await until(() => arrived[cuts - 1]?.isClosed === true);
    const k = Math.round(1000 + 89_000 * seededRng(`fault proxy spec/${cuts}`).nextFloat());
    expect(arrived[cuts - 1]?.bytes.length).toBe(k);
  }
  expect(proxy.counts.cuts).toBe(4);
});

test('a half-open connection swallows both ways and tells nobody; a new one is whole', async () => {
  const socket = await client();
  let heard = '';
  let isClosed = false;
  socket.on('data', (chunk) => (heard += String(chunk)));
  socket.on('close', () => (isClosed = true));
  socket.write('before');
  await until(() => arrived[0]?.bytes.length === 6);
  proxy.halfOpenAll();
  socket.write(bytes);
  arrived[0]?.socket.write('lost');
  const other = await client();
  other.write('whole');
  await until(() => arrived[1]?.bytes.length === 5);
  socket.destroy(); // not even this is told to the server
  const third = await client();
  third.write('x');
  await until(() => arrived[2]?.bytes.length === 1);
  expect([heard, isClosed, arrived[0]?.isClosed, String(arrived[0]?.bytes)]).toEqual([
    ...['', expect.anything(), false, 'before'],
  ]);
  expect(proxy.counts.halfOpened).toBe(1);
});

test('a reset reaches both sides, also by itself after a time', async () => {
  const socket = await client();
  const failed = closed(socket);
  await until(() => arrived.length === 1);
  proxy.faults = { resetAfterMs: [5, 10] };
  await failed;
  await until(() => arrived[0]?.isClosed === true);
  expect(proxy.counts.resets).toBe(1);
});

test('faults that are taken back hold no longer', async () => {
  proxy.faults = { up: { cutAfterBytes: [10, 10], bytesPerSecond: 1 } };
  const socket = await client();
  proxy.faults = {};
  socket.write(bytes);
  await until(() => arrived[0]?.bytes.length === bytes.length);
  expect(proxy.counts.cuts).toBe(0);
});

test('through a black hole nothing passes, not even a close, until it is taken back: then all of it', async () => {
  const socket = await client();
  socket.write('before ');
  await until(() => arrived[0]?.bytes.length === 7);
  proxy.faults = { isBlackHole: true };
  socket.write('after');
  const other = await client();
  other.end('new');
  await closedSoon(other);
  expect([String(arrived[0]?.bytes), arrived[1]?.bytes.length ?? 0]).toEqual(['before ', 0]);
  expect(arrived[1]?.isClosed ?? false).toBe(false);
  proxy.faults = {};
  await until(() => arrived[0]?.bytes.length === 12);
  expect(String(arrived[0]?.bytes)).toBe('before after');
  await until(() => arrived[1]?.isClosed === true);
});

test('a listener hears what was sent, also what never arrives', async () => {
  const heard: string[] = [];
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const listening = await FaultProxy.open({
    ...{ upstreamPort: port, seed: 'listener' },
    listen: (connection) => ({
      take: (direction, chunk) => heard.push(`${connection} ${direction} ${String(chunk)}`),
      end: () => heard.push(`${connection} ended`),
    }),
  });
  listening.faults = { up: { cutAfterBytes: [3, 3] } };
  const socket = connect(Number(new URL(listening.url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write('hello');
  await closed(socket);
  await listening.close();
  expect([heard, String(arrived[0]?.bytes)]).toEqual([['1 up hello', '1 ended'], 'hel']);
});
