/**
 * The one connection to the coordinator: outbound only, made again for ever, every command acknowledged or failed.
 *
 * socket.io's own reconnection is off, because it would present a spent nonce: each attempt here asks for a fresh one.
 */
import type { Socket } from 'socket.io-client';
import { z } from 'zod';
import type { Clock } from '#core/clock';
import { fingerprint } from '#core/crypto';
import { MeloError, UnavailableError } from '#core/errors';
import {
  coordinatorEvents,
  limits,
  parseMessage,
  refusalSchema,
  siteCommands,
  type SiteCommand,
  type SiteRequest,
  type SiteResponse,
} from '#core/protocol';
import { systemClock } from '../common/clock.ts';
import type { EmitEvent, Logger } from '../common/events.ts';
import { backoffDelayMs, sleep, type Backoff } from '../common/retry.ts';
import { connectionAuth, fetchNonce, jsonBytes, type HandshakeIdentity } from './handshake.ts';
import { checkCoordinatorUrl } from './http.ts';
import { LinkWatch } from './link-watch.ts';
import type { NetworkOptions } from './network.ts';
import { RefusedError } from './refused-error.ts';
import {
  connectSocket,
  disconnected,
  TransportFailure,
  type StandingSocket,
} from './socket-attempt.ts';
import { TransportChoice, transportNames, type TransportName } from './transport-choice.ts';

/** What a connection needs. */
export interface ConnectionOptions extends HandshakeIdentity, NetworkOptions {
  readonly url: string;
  readonly acknowledgementTimeoutMs: number;
  readonly backoff: Backoff;
  readonly slowRetryMs: number;
  readonly emit: EmitEvent;
  readonly logger: Logger;
  /** Ways to connect, the first that gets through counts; websocket, then polling by default. */
  readonly transports?: readonly TransportName[];
  /** Failures in a row after which the next way is tried. */
  readonly transportFailuresMax?: number;
  /** Milliseconds of one attempt to connect. */
  readonly connectTimeoutMs?: number;
  /** Without a byte for so long the link is dead. */
  readonly silenceMaxMs?: number;
  readonly clock?: Clock;
  /** Milliseconds between two looks at the link. */
  readonly watchIntervalMs?: number;
}

const standard = {
  transports: transportNames,
  transportFailuresMax: 2,
  connectTimeoutMs: 15_000,
  silenceMaxMs: limits.silenceMaxMs,
  clock: systemClock,
  watchIntervalMs: 2500,
} satisfies Partial<ConnectionOptions>;
/** A look that is later than this means that the machine slept, or that its clock was set forward. */
const sleepGapMs = 20_000;

/** Commands to the coordinator, as the rest of the agent sees them. */
export interface CoordinatorCommands {
  /**
   * Send one command on the present connection.
   *
   * @throws UnavailableError COORDINATOR_UNREACHABLE or TIMEOUT, RefusedError with the coordinator's code
   */
  command<Name extends SiteCommand>(
    name: Name,
    request: SiteRequest<Name>,
  ): Promise<SiteResponse<Name>>;
  /** Wait until there is a connection; rejects where `signal` is aborted. */
  whenConnected(signal?: AbortSignal): Promise<void>;
}

const responseSchemas: {
  readonly [Name in SiteCommand]: { readonly response: z.ZodType<SiteResponse<Name>> };
} = siteCommands;
const connectErrorSchema = z.object({ data: refusalSchema.omit({ ok: true }) });
/** Refusals that time alone does not mend: said once, then tried slowly. */
const slowCodes: ReadonlySet<string> = new Set([
  'SITE_PENDING',
  'SITE_SUSPENDED',
  'SITE_REVOKED',
  'SITE_LEFT',
  'SITE_NOT_ENROLLED',
  'PROTOCOL_VERSION_MISMATCH',
  'COORDINATOR_KEY_MISMATCH',
  'SIGNATURE_INVALID',
  'FORBIDDEN',
]);

/** Tell whether an error is the link's own, so that the same command may be sent again after a reconnection. */
export function isLinkError(error: unknown): boolean {
  return (
    error instanceof MeloError &&
    !(error instanceof RefusedError) &&
    (error.code === 'COORDINATOR_UNREACHABLE' || error.code === 'TIMEOUT')
  );
}

const failureText = (error: unknown): string =>
  error instanceof MeloError ? error.message : String(error);

/** Binary bytes that a command's answer brings. */
function answerBytes(request: object): number {
  const parsed = z.object({ length: z.number() }).safeParse(request);
  return parsed.success ? parsed.data.length : 0;
}

/** Bytes of a request: its binary parts as they are, the rest as JSON. */
function requestBytes(request: object): number {
  let bytes = 0;
  const withoutBinary = (value: unknown): unknown => {
    if (value instanceof Uint8Array) {
      bytes += value.length;
      return null;
    }
    if (Array.isArray(value)) return value.map(withoutBinary);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, withoutBinary(item)]),
    );
  };
  const rest = withoutBinary(request);
  return bytes + jsonBytes(rest);
}

async function acknowledged(
  socket: Socket,
  name: string,
  request: object,
  timeoutMs: number,
): Promise<unknown> {
  try {
    const answer: unknown = await socket.timeout(timeoutMs).emitWithAck(name, request);
    return answer;
  } catch (cause) {
    if (!socket.connected) throw disconnected();
    throw new UnavailableError(
      'TIMEOUT',
      `${name}: expected an acknowledgement in ${timeoutMs} ms, none came; it is sent again`,
      { timeoutMs },
      { cause },
    );
  }
}

/** The connection to the coordinator. */
export class CoordinatorConnection implements CoordinatorCommands {
  readonly #options: ConnectionOptions & Required<Pick<ConnectionOptions, keyof typeof standard>>;
  readonly #url: string;
  readonly #choice: TransportChoice;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #standing: StandingSocket | null = null;
  #running: Promise<void> | null = null;
  #lastRefusal: string | null = null;
  #bytesSent = 0;
  /** Bytes of requests and answers that are on their way now. */
  #bytesUnderWay = 0;
  /** Ends an attempt under way and the wait before the next: what was true before a sleep no longer is. */
  #hurry = new AbortController();
  /** Called after each connection and each `state` announcement. */
  onChange: (reason: 'connected' | 'state') => void = () => undefined;

  constructor(options: ConnectionOptions) {
    this.#options = { ...standard, ...options };
    this.#url = checkCoordinatorUrl(options.url);
    const { transports, transportFailuresMax, clock } = this.#options;
    this.#choice = new TransportChoice(transports, transportFailuresMax, clock);
  }

  /** Bytes of all commands so far: what leaves this site, frames apart. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Whether a connection stands now. */
  get isConnected(): boolean {
    return this.#standing?.socket.connected === true;
  }

  /** Connect, and stay connected until {@link stop}. */
  start(): void {
    this.#running ??= this.#keepConnected();
  }

  /** Close the connection and make no other. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#hurry.abort();
    this.#standing?.socket.disconnect();
    this.#wake();
    await this.#running;
  }

  /** A method, since the answer changes while others wait. */
  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #isHurried(): boolean {
    return this.#hurry.signal.aborted;
  }

  async #keepConnected(): Promise<void> {
    const watch = this.#startWatch();
    for (let failures = 0; !this.#isStopped();) {
      this.#hurry = new AbortController();
      let delayMs: number;
      try {
        const reason = await this.#stayConnected();
        failures = 0;
        if (this.#isStopped()) break;
        this.#options.emit({ event: 'disconnected', reason });
        delayMs = backoffDelayMs(0, this.#options.backoff);
      } catch (error) {
        if (this.#isStopped()) break;
        delayMs = this.#isHurried() ? 0 : this.#delayAfter(error, failures);
        failures += 1;
      }
      await sleep(delayMs, this.#hurry.signal);
      if (this.#isHurried()) failures = 0;
    }
    clearInterval(watch);
    this.#standing?.socket.close();
  }

  /** Look at the link at an interval: one that is silent is given up, and after a sleep a new one is made at once. */
  #startWatch(): NodeJS.Timeout {
    const { clock, silenceMaxMs, watchIntervalMs } = this.#options;
    const newWatch = (): LinkWatch =>
      new LinkWatch({
        ...{ clock, silenceMaxMs, sleepGapMs: sleepGapMs + watchIntervalMs },
        bytesReceived: () => this.#standing?.link.bytesReceived ?? 0,
      });
    let watched = this.#standing;
    let watch = newWatch();
    return setInterval(() => {
      const finding = watch.look();
      if (watched !== this.#standing) {
        watched = this.#standing;
        watch = newWatch();
      }
      if (finding === 'sleep') this.#hurry.abort();
      if (finding !== null) this.#standing?.end(finding);
    }, watchIntervalMs);
  }

  /** Connect with a nonce of its own and stay so; the reason why it ended. */
  async #stayConnected(): Promise<string> {
    const standing = await this.#connect();
    this.#standing = standing;
    this.#lastRefusal = null;
    this.#choice.succeeded();
    if (this.#isStopped()) standing.socket.disconnect();
    else {
      const { site, emit } = this.#options;
      emit({ event: 'connected', site, coordinator: this.#url });
      this.#wake();
      this.onChange('connected');
    }
    const reason = await standing.ended;
    this.#standing = null;
    return reason;
  }

  async #connect(): Promise<StandingSocket> {
    const options = this.#options;
    const signal = AbortSignal.any([this.#stop.signal, this.#hurry.signal]);
    const timeoutMs = options.connectTimeoutMs;
    const pinned = fingerprint(options.coordinatorPublicKey);
    const statement = await fetchNonce(this.#url, pinned, { ...options, timeoutMs, signal });
    const transport = this.#choice.next();
    try {
      return await connectSocket({
        ...{ url: this.#url, transport, network: options, timeoutMs, signal },
        auth: connectionAuth(options, statement),
        prepare: (socket) => {
          socket.on('state', (message: unknown) => {
            if (coordinatorEvents.state.safeParse(message).success) this.onChange('state');
          });
        },
      });
    } catch (error) {
      if (error instanceof TransportFailure) {
        this.#choice.failed();
        const next = this.#choice.next();
        options.logger.warn({ transport, next }, error.message);
      }
      throw error;
    }
  }

  #delayAfter(error: unknown, failures: number): number {
    const options = this.#options;
    const refused = connectErrorSchema.safeParse(error);
    const code = refused.success
      ? refused.data.data.code
      : error instanceof MeloError
        ? error.code
        : null;
    const message = refused.success ? refused.data.data.message : failureText(error);
    const isSlow = code !== null && slowCodes.has(code);
    const delayMs = isSlow ? options.slowRetryMs : backoffDelayMs(failures, options.backoff);
    if (this.#lastRefusal !== code && code !== null && code !== 'NONCE_UNKNOWN') {
      options.emit({ event: 'refused', code, message, retryInMs: Math.round(delayMs) });
      options.logger.error({ code, retryInMs: Math.round(delayMs) }, message);
    }
    this.#lastRefusal = code;
    return delayMs;
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async whenConnected(signal?: AbortSignal): Promise<void> {
    while (!this.isConnected) {
      if (signal?.aborted === true || this.#isStopped()) throw disconnected();
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          this.#waiting.delete(finish);
          signal?.removeEventListener('abort', finish);
          resolve();
        };
        this.#waiting.add(finish);
        signal?.addEventListener('abort', finish);
      });
    }
  }

  async command<Name extends SiteCommand>(
    name: Name,
    request: SiteRequest<Name>,
  ): Promise<SiteResponse<Name>> {
    const socket = this.#standing?.socket;
    if (socket?.connected !== true) throw disconnected();
    const bytes = requestBytes(request);
    this.#bytesSent += bytes;
    const answer = await this.#whileUnderWay(bytes + answerBytes(request), (timeoutMs) =>
      acknowledged(socket, name, request, timeoutMs),
    );
    const refusal = refusalSchema.safeParse(answer);
    if (refusal.success) throw new RefusedError(refusal.data);
    return parseMessage(responseSchemas[name].response, answer, `answer to ${name}`);
  }

  /** Do it within the time that everything under way takes on the slowest line, and the coordinator's own time for an answer. */
  async #whileUnderWay<T>(bytes: number, work: (timeoutMs: number) => Promise<T>): Promise<T> {
    this.#bytesUnderWay += bytes;
    const lineMs = (1000 * this.#bytesUnderWay) / limits.slowestBytesPerSecond;
    try {
      return await work(this.#options.acknowledgementTimeoutMs + Math.ceil(lineMs));
    } finally {
      this.#bytesUnderWay -= bytes;
    }
  }
}
