/** One direction of an HTTP/1.1 connection (RFC 9112), read as its bytes come: heads, whole bodies, and a hand-over at an upgrade. */
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';

/** Most bytes of one head: what comes later than that is no HTTP. */
const headBytesMax = 64 * 1024;

/** Start line and headers of a request or a response. */
export interface HttpHead {
  readonly startLine: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: Buffer;
}

/** What an {@link HttpStream} tells. */
export interface HttpListener {
  /** Called for every head but those of status 100; the answer says how its body ends. */
  onHead(head: HttpHead): 'body' | 'no-body' | 'upgrade';
  /** Called with each whole body, unchunked and decompressed; empty bodies too. */
  onBody(body: Buffer): void;
  /** Called with everything after an upgrade. */
  onUpgraded(bytes: Buffer): void;
}

type Awaiting = 'head' | 'length' | 'chunks' | 'close' | 'upgraded';

function parseHead(bytes: Buffer): HttpHead {
  const [startLine = '', ...lines] = bytes.toString('latin1').split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { startLine, headers, bytes };
}

function decompress(body: Buffer, encoding: string | undefined): Buffer {
  if (body.length === 0) return body;
  if (encoding === 'gzip') return gunzipSync(body);
  if (encoding === 'deflate') return inflateSync(body);
  if (encoding === 'br') return brotliDecompressSync(body);
  if (encoding === undefined || encoding === 'identity') return body;
  throw new Error(`http: expected gzip, deflate or br, got the content encoding ${encoding}`);
}

/** Read one direction. */
export class HttpStream {
  readonly #listener: HttpListener;
  #pending: Buffer = Buffer.alloc(0);
  #awaiting: Awaiting = 'head';
  #encoding: string | undefined;
  #length = 0;
  #chunks: Buffer[] = [];

  constructor(listener: HttpListener) {
    this.#listener = listener;
  }

  /** Take the next bytes. */
  push(bytes: Buffer): void {
    if (this.#awaiting === 'upgraded') {
      this.#listener.onUpgraded(bytes);
      return;
    }
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    while (this.#step());
  }

  /** The connection ended: a body without a length is whole now. */
  end(): void {
    if (this.#awaiting === 'close') this.#finishBody(this.#pending);
    this.#pending = Buffer.alloc(0);
  }

  /** Do one thing with what is pending; false where more bytes are needed. */
  #step(): boolean {
    switch (this.#awaiting) {
      case 'head':
        return this.#readHead();
      case 'length': {
        if (this.#pending.length < this.#length) return false;
        this.#finishBody(this.#take(this.#length));
        return true;
      }
      case 'chunks':
        return this.#readChunk();
      case 'close':
      case 'upgraded':
        return false;
    }
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    return taken;
  }

  #readHead(): boolean {
    const end = this.#pending.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#pending.length > headBytesMax) throw new Error('http: expected a head, got more');
      return false;
    }
    const head = parseHead(this.#take(end));
    this.#take(4);
    if (/^HTTP\/1\.1 100 /.test(head.startLine)) return true;
    const kind = this.#listener.onHead(head);
    if (kind === 'upgrade') {
      this.#awaiting = 'upgraded';
      this.#listener.onUpgraded(this.#take(this.#pending.length));
      return false;
    }
    this.#awaitBody(head, kind === 'no-body');
    return true;
  }

  #awaitBody(head: HttpHead, hasNone: boolean): void {
    const isRequest = !head.startLine.startsWith('HTTP/');
    const length = head.headers.get('content-length');
    this.#encoding = head.headers.get('content-encoding');
    this.#chunks = [];
    this.#length = Number(length ?? 0);
    if (hasNone) this.#length = 0;
    if (!hasNone && head.headers.get('transfer-encoding') === 'chunked') this.#awaiting = 'chunks';
    else if (!hasNone && length === undefined && !isRequest) this.#awaiting = 'close';
    else this.#awaiting = 'length';
  }

  #readChunk(): boolean {
    const end = this.#pending.indexOf('\r\n');
    if (end < 0) return false;
    const size = Number.parseInt(this.#pending.toString('latin1', 0, end), 16);
    if (!(size >= 0)) throw new Error('http: expected the size of a chunk, got other bytes');
    if (this.#pending.length < end + 2 + size + 2) return false;
    this.#take(end + 2);
    this.#chunks.push(this.#take(size));
    this.#take(2);
    if (size === 0) this.#finishBody(Buffer.concat(this.#chunks));
    return true;
  }

  #finishBody(body: Buffer): void {
    this.#awaiting = 'head';
    this.#listener.onBody(decompress(body, this.#encoding));
  }
}
