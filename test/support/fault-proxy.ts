/**
 * A TCP proxy on loopback that does to connections what networks do: latency, a narrow line, bytes in drips, resets,
 * cuts at a byte, and links that are half-open, on which bytes vanish both ways and nobody is told.
 *
 * `faults` can be changed at any time; what is under way obeys from its next bytes on. Everything random comes from the
 * seed and the number of the connection. A narrow line holds its sender back, as a real one does, after 64 KiB.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRng, type SeededRng } from '#core/rng';

/** From the client to the server, or back. */
export type ProxyDirection = 'up' | 'down';
/** Least and most; a value is drawn evenly between. */
export type Span = readonly [number, number];

/** What happens to the bytes of one direction. */
export interface LineFaults {
  /** Milliseconds that every byte is late, drawn for each piece; the order stays. */
  readonly latencyMs?: Span;
  readonly bytesPerSecond?: number;
  /** Bytes come in pieces of so many, a millisecond apart. */
  readonly dripBytes?: Span;
  /** Only the first bytes of a connection drip; all by default. */
  readonly dripForBytes?: number;
  /** The connection ends after exactly so many bytes of this direction, counted from when this fault began. */
  readonly cutAfterBytes?: Span;
}

/** What happens to connections. */
export interface Faults {
  readonly up?: LineFaults;
  readonly down?: LineFaults;
  /** Milliseconds after which a connection is reset (RST to both sides). */
  readonly resetAfterMs?: Span;
  /** Milliseconds after which a connection swallows everything, without closing. */
  readonly halfOpenAfterMs?: Span;
  /** Nothing passes, not even a close; once it is taken back all that was sent arrives, as TCP sends again what was lost. */
  readonly isBlackHole?: true;
}

/** Hears what one connection's ends send, also what never arrives. */
export interface ProxyListener {
  take(direction: ProxyDirection, bytes: Buffer): void;
  end(): void;
}

/** What a proxy has done. */
export interface ProxyCounts {
  connections: number;
  /** Bytes passed on. */
  up: number;
  down: number;
  cuts: number;
  resets: number;
  halfOpened: number;
}

/** Bytes that wait in the proxy before it reads no more of their sender. */
const waitingBytesMax = 65_536;
/** A narrow line is served in slices of this length. */
const sliceMs = 10;

const draw = (rng: SeededRng, [least, most]: Span): number =>
  least + (most - least) * rng.nextFloat();

/** Wait for an event of a socket, or for its close. */
function either(socket: Socket, event: 'drain' | 'finish'): Promise<void> {
  return new Promise((done) => {
    const finish = (): void => {
      socket.off(event, finish);
      socket.off('close', finish);
      done();
    };
    socket.on(event, finish);
    socket.on('close', finish);
    if (socket.destroyed) finish();
  });
}

/** How a proxy is opened. */
export interface ProxyOptions {
  readonly upstreamPort: number;
  readonly seed: string;
  /** Makes a listener for every connection, by its number from 1 on. */
  readonly listen?: (connection: number) => ProxyListener;
}

/** A proxy that can be told to be bad. */
export class FaultProxy {
  readonly counts: ProxyCounts = {
    ...{ connections: 0, up: 0, down: 0, cuts: 0, resets: 0, halfOpened: 0 },
  };
  readonly #server: Server;
  readonly #seed: string;
  readonly #upstreamPort: number;
  readonly #listen: ((connection: number) => ProxyListener) | undefined;
  readonly #connections = new Set<FaultyConnection>();
  #faults: Faults = {};

  private constructor(options: ProxyOptions) {
    this.#upstreamPort = options.upstreamPort;
    this.#seed = options.seed;
    this.#listen = options.listen;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#serve(client));
  }

  /** Listen on a free port of loopback and pass everything on to another port of it. */
  static async open(options: ProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Address of the proxy. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string')
      throw new Error('fault proxy: expected it to listen; open it first');
    return `http://127.0.0.1:${address.port}`;
  }

  get faults(): Faults {
    return this.#faults;
  }

  set faults(faults: Faults) {
    this.#faults = faults;
    for (const connection of this.#connections) connection.obey(faults);
  }

  /** Let every open connection swallow everything from now on; new ones are as the faults say. */
  halfOpenAll(): void {
    for (const connection of this.#connections) connection.halfOpen();
  }

  /** Reset every open connection. */
  resetAll(): void {
    for (const connection of this.#connections) connection.reset();
  }

  /** Stop listening and end everything. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) connection.end();
    await closed;
  }

  #serve(client: Socket): void {
    this.counts.connections += 1;
    const connection = new FaultyConnection({
      client,
      server: connect({ port: this.#upstreamPort, host: '127.0.0.1', allowHalfOpen: true }),
      rng: seededRng(`${this.#seed}/${this.counts.connections}`),
      counts: this.counts,
      listener: this.#listen?.(this.counts.connections),
      onEnd: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    connection.obey(this.#faults);
  }
}

/** One client's connection and the proxy's own to the server. */
class FaultyConnection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #rng: SeededRng;
  readonly #counts: ProxyCounts;
  readonly #onEnd: () => void;
  readonly #lines: Readonly<Record<ProxyDirection, Line>>;
  #timers: NodeJS.Timeout[] = [];
  #isBlackHole = false;
  #isClosedInside = false;
  #isHalfOpen = false;
  #isEnded = false;

  constructor(options: {
    readonly client: Socket;
    readonly server: Socket;
    readonly rng: SeededRng;
    readonly counts: ProxyCounts;
    readonly listener: ProxyListener | undefined;
    readonly onEnd: () => void;
  }) {
    const { client, server, rng, counts, listener } = options;
    this.#client = client;
    this.#server = server;
    this.#rng = rng;
    this.#counts = counts;
    this.#onEnd = () => {
      options.onEnd();
      listener?.end();
    };
    const onCut = (): void => {
      counts.cuts += 1;
      this.end();
    };
    const line = (from: Socket, to: Socket, direction: ProxyDirection): Line => {
      if (listener !== undefined)
        from.on('data', (bytes: Buffer) => listener.take(direction, bytes));
      const onPassed = (bytes: number): void => void (counts[direction] += bytes);
      return new Line({ from, to, rng, onCut, onPassed });
    };
    this.#lines = { up: line(client, server, 'up'), down: line(server, client, 'down') };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined); // what breaks here is broken on purpose, or its end was killed
      socket.on('close', () => {
        if (this.#isBlackHole) this.#isClosedInside = true;
        else if (!this.#isHalfOpen) this.end();
      });
    }
  }

  obey(faults: Faults): void {
    this.#isBlackHole = faults.isBlackHole === true;
    for (const direction of ['up', 'down'] as const)
      this.#lines[direction].obey(faults[direction] ?? {}, this.#isBlackHole);
    if (this.#isClosedInside && !this.#isBlackHole) this.end();
    for (const timer of this.#timers) clearTimeout(timer);
    const { resetAfterMs, halfOpenAfterMs } = faults;
    this.#timers = [];
    if (resetAfterMs !== undefined)
      this.#timers.push(setTimeout(() => this.reset(), draw(this.#rng, resetAfterMs)));
    if (halfOpenAfterMs !== undefined)
      this.#timers.push(setTimeout(() => this.halfOpen(), draw(this.#rng, halfOpenAfterMs)));
  }

  halfOpen(): void {
    if (this.#isHalfOpen || this.#isEnded) return;
    this.#counts.halfOpened += 1;
    this.#isHalfOpen = true;
    this.#lines.up.swallow();
    this.#lines.down.swallow();
  }

  reset(): void {
    if (this.#isHalfOpen || this.#isEnded) return; // a reset would tell them
    this.#counts.resets += 1;
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
    this.end();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#lines.up.swallow();
    this.#lines.down.swallow();
    this.#client.destroy();
    this.#server.destroy();
    this.#onEnd();
  }
}

interface Piece {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

/** One direction of a connection. */
class Line {
  readonly #to: Socket;
  readonly #from: Socket;
  readonly #rng: SeededRng;
  readonly #onCut: () => void;
  readonly #onPassed: (bytes: number) => void;
  readonly #waiting: Piece[] = [];
  #waitingBytes = 0;
  #faults: LineFaults = {};
  #passedBytes = 0;
  #cutAtBytes = Infinity;
  #dueMs = 0;
  #isHeld = false;
  #release: () => void = () => undefined;
  #isSwallowing = false;
  #hasEnded = false;
  #isPassing = false;

  constructor(options: {
    readonly from: Socket;
    readonly to: Socket;
    readonly rng: SeededRng;
    readonly onCut: () => void;
    readonly onPassed: (bytes: number) => void;
  }) {
    this.#from = options.from;
    this.#to = options.to;
    this.#rng = options.rng;
    this.#onCut = options.onCut;
    this.#onPassed = options.onPassed;
    this.#from.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#from.on('end', () => {
      this.#hasEnded = true;
      this.#pass();
    });
  }

  obey(faults: LineFaults, isHeld: boolean): void {
    this.#faults = faults;
    this.#isHeld = isHeld;
    if (!isHeld) {
      this.#release();
      this.#pass(); // an end that came meanwhile
    }
    const { cutAfterBytes } = faults;
    this.#cutAtBytes =
      cutAfterBytes === undefined
        ? Infinity
        : this.#passedBytes + Math.round(draw(this.#rng, cutAfterBytes));
  }

  swallow(): void {
    this.#isSwallowing = true;
    this.#isHeld = false;
    this.#release();
    this.#waiting.length = 0;
    this.#from.resume(); // a full buffer would tell the sender that nobody reads
  }

  #take(bytes: Buffer): void {
    if (this.#isSwallowing) return;
    const { latencyMs } = this.#faults;
    const lateMs = latencyMs === undefined ? 0 : draw(this.#rng, latencyMs);
    this.#dueMs = Math.max(this.#dueMs, performance.now() + lateMs);
    this.#waiting.push({ bytes, dueMs: this.#dueMs });
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > waitingBytesMax) this.#from.pause();
    this.#pass();
  }

  #pass(): void {
    if (this.#isPassing) return;
    this.#isPassing = true;
    void this.#passAll().finally(() => (this.#isPassing = false));
  }

  async #passAll(): Promise<void> {
    for (let piece = this.#waiting.shift(); piece !== undefined; piece = this.#waiting.shift()) {
      const waitMs = piece.dueMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      for (let at = 0; at < piece.bytes.length && !this.#isSwallowing;) {
        if (this.#isHeld) await new Promise<void>((release) => (this.#release = release));
        else at += await this.#passSome(piece.bytes.subarray(at));
      }
      this.#waitingBytes -= piece.bytes.length;
      if (this.#waitingBytes <= waitingBytesMax) this.#from.resume();
    }
    if (this.#hasEnded && !this.#isSwallowing && !this.#isHeld) this.#to.end();
  }

  /** Pass on the first of these bytes, as many as the faults allow at once, and wait as long as they take. */
  async #passSome(bytes: Buffer): Promise<number> {
    const { bytesPerSecond, dripBytes, dripForBytes = Infinity } = this.#faults;
    let count = bytes.length;
    let waitMs = 0;
    if (bytesPerSecond !== undefined) {
      count = Math.min(count, Math.max(1, Math.floor((bytesPerSecond * sliceMs) / 1000)));
      waitMs = (1000 * count) / bytesPerSecond;
    }
    if (dripBytes !== undefined && this.#passedBytes < dripForBytes) {
      count = Math.min(count, Math.max(1, Math.round(draw(this.#rng, dripBytes))));
      waitMs = Math.max(1, waitMs);
    }
    count = Math.min(count, this.#cutAtBytes - this.#passedBytes);
    const isRoom = count === 0 || this.#to.write(bytes.subarray(0, count));
    this.#passedBytes += count;
    this.#onPassed(count);
    if (this.#passedBytes >= this.#cutAtBytes) {
      this.#to.end(); // what was passed on arrives, the next byte never does
      await either(this.#to, 'finish');
      this.#onCut();
    } else if (waitMs > 0) await sleep(waitMs);
    else if (!isRoom) await either(this.#to, 'drain');
    return count;
  }
}
