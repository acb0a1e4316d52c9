/**
 * What went over one TCP connection, decoded: HTTP heads and bodies, websocket messages, long-polling packets.
 *
 * A search of raw traffic proves nothing: a client's websocket frames are masked and polling is base64. Text that holds
 * base64 or hexadecimal is decoded once more, so that bytes cannot hide in JSON.
 */
import { HttpStream, type HttpHead } from './http-stream.ts';
import { SocketIoAssembler, splitPollingBody, type SocketIoPacket } from './socket-io.ts';
import { WebsocketStream, type WebsocketMessage } from './websocket-stream.ts';

/** Up: from client to server. Down: from server to client. */
export type Direction = 'up' | 'down';

/** What a decoder tells. */
export interface WireListener {
  /** Called with every decoded string of bytes. */
  onPayload(direction: Direction, bytes: Buffer): void;
  /** Called with every whole packet of socket.io; `session` is the same for all connections of one client. */
  onPacket(direction: Direction, packet: SocketIoPacket, session: string): void;
  /** Called with a packet of socket.io whose attachments are still to come. */
  onPacketBegun?(direction: Direction, packet: SocketIoPacket, session: string): void;
}

/** Assemblers by session and direction: a polling client uses several connections. */
export type Sessions = Map<string, SocketIoAssembler>;

/** Decode what is base64, base64url or hexadecimal inside a text, from 24 characters on. */
export function decodeEmbedded(text: string): Buffer[] {
  const found: Buffer[] = [];
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{24,}={0,2}/g)) {
    found.push(Buffer.from(run, 'base64'));
    if (/^(?:[0-9a-fA-F]{2})+$/.test(run)) found.push(Buffer.from(run, 'hex'));
  }
  return found;
}

const isText = (bytes: Buffer): boolean => !bytes.includes(0) && bytes.length < 8 * 1024 * 1024;

/** Decode both directions of one connection. */
export class ConnectionDecoder {
  readonly #name: string;
  readonly #sessions: Sessions;
  readonly #listener: WireListener;
  readonly #streams: Readonly<Record<Direction, HttpStream>>;
  readonly #sockets: Readonly<Record<Direction, WebsocketStream>>;
  /** Requests whose response has not come, oldest first. */
  readonly #requests: { readonly method: string; readonly url: URL }[] = [];
  #latest: { readonly method: string; readonly url: URL } | undefined;
  #responded: { readonly method: string; readonly url: URL } | undefined;
  #session: string;

  constructor(options: {
    readonly name: string;
    readonly sessions: Sessions;
    readonly listener: WireListener;
  }) {
    this.#name = options.name;
    this.#session = options.name;
    this.#sessions = options.sessions;
    this.#listener = options.listener;
    this.#sockets = {
      up: new WebsocketStream((message) => this.#onMessage('up', message)),
      down: new WebsocketStream((message) => this.#onMessage('down', message)),
    };
    this.#streams = { up: this.#stream('up'), down: this.#stream('down') };
  }

  /** Take the next bytes of a direction. */
  push(direction: Direction, bytes: Buffer): void {
    this.#streams[direction].push(bytes);
  }

  /** The connection is over. */
  end(): void {
    this.#streams.up.end();
    this.#streams.down.end();
  }

  #stream(direction: Direction): HttpStream {
    return new HttpStream({
      onHead: (head) => {
        this.#payload(direction, head.bytes);
        return direction === 'up' ? this.#onRequest(head) : this.#onResponse(head);
      },
      onBody: (body) => this.#onBody(direction, body),
      onUpgraded: (bytes) => this.#sockets[direction].push(bytes),
    });
  }

  #onRequest(head: HttpHead): 'body' | 'upgrade' {
    const [method = '', path = '/'] = head.startLine.split(' ');
    this.#latest = { method, url: new URL(path, 'http://tap.invalid') };
    this.#requests.push(this.#latest);
    if (head.headers.get('upgrade')?.toLowerCase() !== 'websocket') return 'body';
    this.#session = this.#latest.url.searchParams.get('sid') ?? this.#name;
    return 'upgrade';
  }

  #onResponse(head: HttpHead): 'body' | 'no-body' | 'upgrade' {
    this.#responded = this.#requests.shift();
    const status = Number(head.startLine.split(' ')[1]);
    if (status === 101) return 'upgrade';
    const isEmpty = this.#responded?.method === 'HEAD' || status === 204 || status === 304;
    return isEmpty ? 'no-body' : 'body';
  }

  #onBody(direction: Direction, body: Buffer): void {
    const request = direction === 'up' ? this.#latest : this.#responded;
    const session = request?.url.searchParams.get('sid');
    this.#payload(direction, body);
    if (session === null || session === undefined) return;
    for (const packet of splitPollingBody(body)) {
      const assembler = this.#assembler(direction, session);
      if (typeof packet === 'string') {
        assembler.pushText(packet);
      } else {
        this.#payload(direction, packet);
        assembler.pushBinary(packet);
      }
    }
  }

  #onMessage(direction: Direction, message: WebsocketMessage): void {
    this.#payload(direction, message.bytes);
    if (message.type === 'control') return;
    const assembler = this.#assembler(direction, this.#session);
    if (message.type === 'text') assembler.pushText(message.bytes.toString('utf8'));
    else assembler.pushBinary(message.bytes);
  }

  #assembler(direction: Direction, session: string): SocketIoAssembler {
    const key = `${session}/${direction}`;
    const existing = this.#sessions.get(key);
    if (existing !== undefined) return existing;
    const made = new SocketIoAssembler(
      (packet) => this.#listener.onPacket(direction, packet, session),
      (packet) => this.#listener.onPacketBegun?.(direction, packet, session),
    );
    this.#sessions.set(key, made);
    return made;
  }

  #payload(direction: Direction, bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#listener.onPayload(direction, bytes);
    if (!isText(bytes)) return;
    for (const inner of decodeEmbedded(bytes.toString('latin1')))
      this.#listener.onPayload(direction, inner);
  }
}
