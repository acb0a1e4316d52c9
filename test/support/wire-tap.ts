/** A TCP proxy on loopback that hears both directions, decodes them, and may hold or cut a connection at a named moment. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { z } from 'zod';
import { ConnectionDecoder, type Direction, type Sessions } from './wire/decoder.ts';
import type { SocketIoPacket } from './wire/socket-io.ts';

/** What the tap does with the bytes that completed a packet: pass them on, keep them back, or cut the connection. */
export type TapAction = 'forward' | 'hold' | 'cut';

/** One packet of socket.io that went by. */
export interface TappedPacket extends SocketIoPacket {
  readonly direction: Direction;
  /** The same for all connections of one client from its connect to its disconnect. */
  readonly session: string;
}

/** One string of decoded bytes that went by. */
export interface TappedPayload {
  readonly direction: Direction;
  readonly bytes: Buffer;
}

const rangeSchema = z.object({
  uploadId: z.string(),
  index: z.number().int(),
  bytes: z.instanceof(Uint8Array),
});
const acknowledgementSchema = z.object({ ok: z.boolean() });

/** One `upload:range` that a client sent. */
export interface TappedRange {
  readonly session: string;
  readonly uploadId: string;
  readonly index: number;
  readonly bytes: number;
  /** Where among all packets it was sent. */
  readonly sentAt: number;
  /** Where among all packets it was acknowledged; undefined where it never was. */
  readonly acknowledgedAt: number | undefined;
}

/** A proxy that hears everything. */
export class WireTap {
  readonly payloads: TappedPayload[] = [];
  readonly packets: TappedPacket[] = [];
  /** Bytes as they came, by direction. */
  readonly rawBytes: Readonly<Record<Direction, Buffer[]>> = { up: [], down: [] };
  /** Mistakes of the decoder: a test that relies on it expects none. */
  readonly decodeErrors: Error[] = [];
  /** Decides about each packet as it is completed, before its last bytes are passed on. */
  onPacket: ((packet: TappedPacket) => TapAction) | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #sessions: Sessions = new Map();
  readonly #upstreamPort: number;
  readonly #isForgetful: boolean;
  #connections = 0;

  private constructor(upstreamPort: number, isForgetful: boolean) {
    this.#upstreamPort = upstreamPort;
    this.#isForgetful = isForgetful;
    this.#server = createServer((client) => this.#serve(client));
  }

  /**
   * Listen on a free port of loopback and pass everything on to another port of it.
   *
   * @param options - `isForgetful`: only `onPacket` hears what goes by, for runs too long to be kept
   */
  static async open(
    upstreamPort: number,
    options: { readonly isForgetful?: boolean } = {},
  ): Promise<WireTap> {
    const tap = new WireTap(upstreamPort, options.isForgetful ?? false);
    await new Promise<void>((listening, failed) => {
      tap.#server.once('error', failed);
      tap.#server.listen(0, '127.0.0.1', listening);
    });
    return tap;
  }

  /** Address of the tap. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string')
      throw new Error('wire tap: expected it to listen; open it first');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Everything decoded and everything raw: where a search must find nothing. */
  haystacks(): Uint8Array[] {
    return [
      ...this.payloads.map(({ bytes }) => bytes),
      Buffer.concat(this.rawBytes.up),
      Buffer.concat(this.rawBytes.down),
    ];
  }

  /** Every `upload:range` that went by, with its acknowledgement. */
  uploadRanges(): TappedRange[] {
    const ranges: TappedRange[] = [];
    for (const [sentAt, packet] of this.packets.entries()) {
      if (packet.direction !== 'up' || packet.event !== 'upload:range') continue;
      const range = rangeSchema.parse(packet.data[0]);
      const acknowledgedAt = this.packets.findIndex(
        (other, at) =>
          at > sentAt &&
          other.direction === 'down' &&
          other.type === 'ack' &&
          other.session === packet.session &&
          other.id === packet.id &&
          acknowledgementSchema.safeParse(other.data[0]).data?.ok === true,
      );
      ranges.push({
        session: packet.session,
        uploadId: range.uploadId,
        index: range.index,
        bytes: range.bytes.length,
        sentAt,
        acknowledgedAt: acknowledgedAt < 0 ? undefined : acknowledgedAt,
      });
    }
    return ranges;
  }

  /** Cut every connection that is open; new ones are let through. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stop listening and cut everything. */
  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    this.cutAll();
    await closed;
  }

  #serve(client: Socket): void {
    const upstream = connect(this.#upstreamPort, '127.0.0.1');
    this.#connections += 1;
    const connection = new TappedConnection(this, {
      name: `connection-${this.#connections}`,
      isForgetful: this.#isForgetful,
      sessions: this.#sessions,
      sockets: { up: upstream, down: client },
    });
    for (const [direction, socket] of [
      ['up', client],
      ['down', upstream],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('data', (bytes) => connection.take(direction, bytes));
      socket.on('error', () => undefined); // the other end was killed, which is what these tests are about
      socket.on('close', () => {
        this.#sockets.delete(socket);
        connection.end();
      });
    }
  }
}

/** One client's connection and the tap's own to the server. */
class TappedConnection {
  readonly #tap: WireTap;
  readonly #decoder: ConnectionDecoder;
  /** Where bytes of a direction go. */
  readonly #sockets: Readonly<Record<Direction, Socket>>;
  readonly #isForgetful: boolean;
  #action: TapAction = 'forward';
  readonly #isHeld: Record<Direction, boolean> = { up: false, down: false };
  #isBroken = false;

  constructor(
    tap: WireTap,
    options: {
      readonly name: string;
      readonly isForgetful: boolean;
      readonly sessions: Sessions;
      readonly sockets: Readonly<Record<Direction, Socket>>;
    },
  ) {
    this.#tap = tap;
    this.#sockets = options.sockets;
    this.#isForgetful = options.isForgetful;
    this.#decoder = new ConnectionDecoder({
      name: options.name,
      sessions: options.sessions,
      listener: {
        onPayload: (direction, bytes) => {
          if (!this.#isForgetful) tap.payloads.push({ direction, bytes });
        },
        onPacket: (direction, packet, session) => {
          const tapped = { ...packet, direction, session };
          if (!this.#isForgetful) tap.packets.push(tapped);
          const action = tap.onPacket?.(tapped) ?? 'forward';
          if (action !== 'forward') this.#action = action;
        },
      },
    });
  }

  /** Hear bytes and pass them on, unless the tap's owner says otherwise. */
  take(direction: Direction, bytes: Buffer): void {
    if (!this.#isForgetful) this.#tap.rawBytes[direction].push(bytes);
    this.#decode(direction, bytes);
    if (this.#action === 'cut') {
      this.#sockets.up.destroy();
      this.#sockets.down.destroy();
      return;
    }
    if (this.#action === 'hold') this.#isHeld[direction] = true;
    this.#action = 'forward';
    if (!this.#isHeld[direction]) this.#sockets[direction].write(bytes);
  }

  /** One side closed: close the other too. */
  end(): void {
    this.#sockets.up.destroy();
    this.#sockets.down.destroy();
    if (!this.#isBroken) this.#decoder.end();
    this.#isBroken = true;
  }

  #decode(direction: Direction, bytes: Buffer): void {
    if (this.#isBroken) return;
    try {
      this.#decoder.push(direction, bytes);
    } catch (error) {
      this.#isBroken = true; // the rest of this connection is heard raw only
      this.#tap.decodeErrors.push(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
