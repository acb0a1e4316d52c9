import { createServer, type Server as HttpServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { z } from 'zod';
import { io } from 'socket.io-client';
import { Server } from 'socket.io';
import { ConnectionDecoder, type Direction } from './support/wire/decoder.ts';
import type { SocketIoPacket } from './support/wire/socket-io.ts';
import { WireTap } from './support/wire-tap.ts';

const upgradeRequest =
  'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n';
const upgradeResponse = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n';

/** Write a websocket frame by hand, as RFC 6455 section 5.2 draws it. */
function frame(options: {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly isFinal?: boolean;
  readonly mask?: Buffer;
  readonly lengthForm?: 126 | 127;
}): Buffer {
  const { payload, mask } = options;
  const size = payload.length;
  const form = options.lengthForm ?? (size < 126 ? size : size < 65_536 ? 126 : 127);
  const length = Buffer.alloc(form === 126 ? 2 : form === 127 ? 8 : 0);
  if (form === 126) length.writeUInt16BE(size);
  if (form === 127) length.writeBigUInt64BE(BigInt(size));
  const masked = Buffer.from(payload.map((byte, at) => byte ^ (mask?.[at % 4] ?? 0)));
  return Buffer.concat([
    Buffer.from([
      (options.isFinal === false ? 0 : 0x80) | options.opcode,
      (mask === undefined ? 0 : 0x80) | form,
    ]),
    length,
    mask ?? Buffer.alloc(0),
    masked,
  ]);
}

/** Decode pieces and collect what the decoder tells. */
function decode(pieces: readonly (readonly [Direction, string | Buffer])[]): {
  payloads: { direction: Direction; bytes: Buffer }[];
  packets: (SocketIoPacket & { direction: Direction })[];
} {
  const payloads: { direction: Direction; bytes: Buffer }[] = [];
  const packets: (SocketIoPacket & { direction: Direction })[] = [];
  const decoder = new ConnectionDecoder({
    name: 'spec',
    sessions: new Map(),
    listener: {
      onPayload: (direction, bytes) => payloads.push({ direction, bytes }),
      onPacket: (direction, packet) => packets.push({ ...packet, direction }),
    },
  });
  for (const [direction, bytes] of pieces) decoder.push(direction, Buffer.from(bytes));
  decoder.end();
  return { payloads, packets };
}

const holds = (payloads: readonly { bytes: Buffer }[], bytes: Buffer): boolean =>
  payloads.some((payload) => payload.bytes.equals(bytes));

describe('websocket frames', () => {
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

  test('the masked "Hello" of RFC 6455, section 5.7, is unmasked', () => {
    const hello = Buffer.from([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    const { payloads } = decode([
      ['up', upgradeRequest],
      ['down', upgradeResponse],
      ['up', hello],
    ]);
    expect(holds(payloads, Buffer.from('Hello'))).toBe(true);
  });

  test.each([
    [125, undefined],
    [126, undefined],
    [65_535, undefined],
    [65_536, undefined],
    [262_144, undefined],
    [5, 126],
    [5, 127],
  ] as const)('%i bytes of payload, length form %s', (size, lengthForm) => {
    const payload = Buffer.from(Array.from({ length: size }, (_, at) => (at * 7) % 251));
    const bytes = frame({ opcode: 2, payload, mask, ...(lengthForm ? { lengthForm } : {}) });
    const { payloads } = decode([
      ['up', upgradeRequest],
      ['up', bytes],
    ]);
    expect(holds(payloads, payload)).toBe(true);
  });

  test('fragments are joined, with a ping in between', () => {
    const { payloads } = decode([
      ['up', upgradeRequest],
      ['up', frame({ opcode: 2, payload: Buffer.from('one '), isFinal: false, mask })],
      ['up', frame({ opcode: 9, payload: Buffer.from('ping'), mask })],
      ['up', frame({ opcode: 0, payload: Buffer.from('two '), isFinal: false, mask })],
      ['up', frame({ opcode: 0, payload: Buffer.from('three'), mask })],
    ]);
    expect(holds(payloads, Buffer.from('one two three'))).toBe(true);
    expect(holds(payloads, Buffer.from('ping'))).toBe(true);
  });

  test('a compressed frame is refused: its bytes would hide', () => {
    const compressed = frame({ opcode: 2, payload: Buffer.from('x') });
    compressed[0] = (compressed[0] ?? 0) | 0x40;
    expect(() =>
      decode([
        ['up', upgradeRequest],
        ['up', compressed],
      ]),
    ).toThrow(/reserved bit/);
  });

  test('however the bytes are cut, the same messages come out', () => {
    const whole = Buffer.concat([
      Buffer.from(upgradeRequest),
      frame({
        opcode: 1,
        payload: Buffer.from('451-/sites,7["upload:range",{"_placeholder":true,"num":0}]'),
        mask,
      }),
      frame({ opcode: 2, payload: Buffer.alloc(300, 'ab'), mask }),
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: whole.length }), { maxLength: 8 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), whole.length];
        const pieces = edges
          .slice(1)
          .map((end, at) => ['up', whole.subarray(edges[at], end)] as const);
        expect(decode(pieces).packets).toEqual([
          {
            direction: 'up',
            type: 'event',
            namespace: '/sites',
            id: 7,
            event: 'upload:range',
            data: [Buffer.alloc(300, 'ab')],
          },
        ]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('plain HTTP and long polling', () => {
  const polling = 'POST /socket.io/?EIO=4&transport=polling&sid=abc HTTP/1.1\r\nHost: x\r\n';

  test('binary packets of a polling body are decoded from base64 and put in place', () => {
    const secret = Buffer.from('bytes that base64 would hide');
    const body = `451-/sites,3["blob",{"bytes":{"_placeholder":true,"num":0}}]\x1eb${secret.toString('base64')}`;
    const { payloads, packets } = decode([
      ['up', `${polling}Content-Length: ${body.length}\r\n\r\n${body}`],
    ]);
    expect(holds(payloads, secret)).toBe(true);
    expect(packets).toMatchObject([{ event: 'blob', id: 3, data: [{ bytes: secret }] }]);
  });

  test('chunked and gzipped answers are read, also several on one connection', () => {
    const body = gzipSync('430[{"ok":true}]');
    const half = body.length >> 1;
    const parts = [body.subarray(0, half), body.subarray(half)].flatMap((part) => [
      Buffer.from(`${part.length.toString(16)}\r\n`),
      part,
      Buffer.from('\r\n'),
    ]);
    const { payloads, packets } = decode([
      ['up', 'GET /socket.io/?transport=polling&sid=abc HTTP/1.1\r\n\r\n'],
      ['down', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n'],
      ['down', Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])],
      ['up', 'GET /v1/health HTTP/1.1\r\n\r\n'],
      ['down', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine'],
    ]);
    expect(packets).toMatchObject([{ direction: 'down', type: 'ack', data: [{ ok: true }] }]);
    expect(holds(payloads, Buffer.from('fine'))).toBe(true);
  });

  test('base64 and hexadecimal inside JSON are decoded once more', () => {
    const secret = Buffer.from('thirty-two bytes of some secret!');
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      const body = JSON.stringify({ value: secret.toString(encoding) });
      const head = `POST /v1/x HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n`;
      expect(holds(decode([['up', head + body]]).payloads, secret)).toBe(true);
    }
  });
});

const portOf = (server: HttpServer): number =>
  z.object({ port: z.number() }).parse(server.address()).port;

describe('the tap between a real client and server', () => {
  test.each([['websocket'], ['polling']] as const)(
    'binary of %s is heard in both directions, and every acknowledgement is matched',
    async (transport) => {
      const http = createServer();
      const server = new Server(http, { maxHttpBufferSize: 1e6 });
      server.of('/sites').on('connection', (socket) => {
        socket.on('upload:range', (range: { bytes: Buffer }, answer: (value: unknown) => void) =>
          answer({ ok: true, bytes: Buffer.from(range.bytes).reverse() }),
        );
      });
      await new Promise<void>((listening) => http.listen(0, '127.0.0.1', listening));
      const tap = await WireTap.open(portOf(http));
      const client = io(`${tap.url}/sites`, { transports: [transport], reconnection: false });
      const secret = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * at) % 256));
      const range = { uploadId: 'u', index: 4, bytes: secret };
      await client.timeout(10_000).emitWithAck('upload:range', range);
      client.disconnect();
      await tap.close();
      await server.close();
      expect(tap.decodeErrors).toEqual([]);
      const up = tap.payloads.filter(({ direction }) => direction === 'up');
      const down = tap.payloads.filter(({ direction }) => direction === 'down');
      expect(holds(up, secret)).toBe(true);
      expect(holds(down, Buffer.from(secret).reverse())).toBe(true);
      expect(tap.uploadRanges()).toMatchObject([
        { uploadId: 'u', index: 4, bytes: 200_000, acknowledgedAt: expect.any(Number) },
      ]);
    },
  );

  test('a held packet never arrives, and a cut ends the connection', async () => {
    const http = createServer();
    const server = new Server(http);
    const arrived: string[] = [];
    server.on('connection', (socket) => socket.onAny((name: string) => arrived.push(name)));
    await new Promise<void>((listening) => http.listen(0, '127.0.0.1', listening));
    const tap = await WireTap.open(portOf(http));
    const held = new Promise<void>((done) => {
      tap.onPacket = ({ event }) => {
        if (event === 'second') done();
        return event === 'second' ? 'hold' : 'forward';
      };
    });
    const client = io(tap.url, { transports: ['websocket'], reconnection: false });
    client.emit('first');
    client.emit('second');
    client.emit('third');
    await held;
    const ended = new Promise<void>((done) => client.on('disconnect', () => done()));
    tap.cutAll();
    await ended;
    await tap.close();
    await server.close();
    expect(arrived.filter((name) => name !== 'first')).toEqual([]);
  });
});
