/**
 * The one connection to the coordinator: outbound only, made again for ever, every command acknowledged or failed.
 *
 * socket.io's own reconnection is off, because it would present a spent nonce: each attempt here asks for a fresh one.
 */
import { io, type Socket } from 'socket.io-client';
import { z } from 'zod';
import { fingerprint } from '#core/crypto';
import { MeloError, UnavailableError } from '#core/errors';
import {
  coordinatorEvents,
  parseMessage,
  refusalSchema,
  siteCommands,
  type SiteCommand,
  type SiteRequest,
  type SiteResponse,
} from '#core/protocol';
import type { EmitEvent, Logger } from '../common/events.ts';
import { backoffDelayMs, sleep, type Backoff } from '../common/retry.ts';
import { connectionAuth, fetchNonce, jsonBytes, type HandshakeIdentity } from './handshake.ts';
import { checkCoordinatorUrl } from './http.ts';
import { RefusedError } from './refused-error.ts';

/** What a connection needs. */
export interface ConnectionOptions extends HandshakeIdentity {
  readonly url: string;
  readonly certificateAuthority: string | null;
  readonly acknowledgementTimeoutMs: number;
  readonly backoff: Backoff;
  readonly slowRetryMs: number;
  readonly isPollingAllowed: boolean;
  readonly emit: EmitEvent;
  readonly logger: Logger;
}

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

const disconnected = (): UnavailableError =>
  new UnavailableError(
    'COORDINATOR_UNREACHABLE',
    'coordinator: expected a connection, there is none now; it is being made again',
  );

/** Tell whether an error is the link's own, so that the same command may be sent again after a reconnection. */
export function isLinkError(error: unknown): boolean {
  return (
    error instanceof MeloError &&
    !(error instanceof RefusedError) &&
    (error.code === 'COORDINATOR_UNREACHABLE' || error.code === 'TIMEOUT')
  );
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
  readonly #options: ConnectionOptions;
  readonly #url: string;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #socket: Socket | null = null;
  #running: Promise<void> | null = null;
  #lastRefusal: string | null = null;
  #bytesSent = 0;
  /** Called after each connection and each `state` announcement. */
  onChange: (reason: 'connected' | 'state') => void = () => undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#url = checkCoordinatorUrl(options.url);
  }

  /** Bytes of all commands so far: what leaves this site, frames apart. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Whether a connection stands now. */
  get isConnected(): boolean {
    return this.#socket?.connected === true;
  }

  /** Connect, and stay connected until {@link stop}. */
  start(): void {
    this.#running ??= this.#keepConnected();
  }

  /** Close the connection and make no other. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#socket?.disconnect();
    this.#wake();
    await this.#running;
  }

  /** A method, since the answer changes while others wait. */
  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #keepConnected(): Promise<void> {
    for (let failures = 0; !this.#isStopped();) {
      let delayMs: number;
      try {
        const { ended } = await this.#connectOnce();
        failures = 0;
        this.#options.emit({
          event: 'connected',
          site: this.#options.site,
          coordinator: this.#url,
        });
        this.#wake();
        this.onChange('connected');
        const reason = await ended;
        if (this.#isStopped()) return;
        this.#options.emit({ event: 'disconnected', reason });
        delayMs = backoffDelayMs(0, this.#options.backoff);
      } catch (error) {
        if (this.#isStopped()) break;
        delayMs = this.#delayAfter(error, failures);
        failures += 1;
      }
      await sleep(delayMs, this.#stop.signal);
    }
    this.#socket?.close();
  }

  /** Make one attempt with a nonce of its own; the inner promise settles when that connection ends. */
  async #connectOnce(): Promise<{ readonly ended: Promise<string> }> {
    const options = this.#options;
    const statement = await fetchNonce(this.#url, fingerprint(options.coordinatorPublicKey), {
      timeoutMs: options.acknowledgementTimeoutMs,
      certificateAuthority: options.certificateAuthority,
      signal: this.#stop.signal,
    });
    const socket = io(`${this.#url}/sites`, {
      auth: connectionAuth(options, statement),
      transports: options.isPollingAllowed ? ['websocket', 'polling'] : ['websocket'],
      tryAllTransports: options.isPollingAllowed,
      reconnection: false,
      forceNew: true,
      timeout: options.acknowledgementTimeoutMs,
      ...(options.certificateAuthority === null ? {} : { ca: options.certificateAuthority }),
    });
    this.#socket = socket;
    socket.on('state', (message: unknown) => {
      if (coordinatorEvents.state.safeParse(message).success) this.onChange('state');
    });
    const ended = new Promise<string>((resolve) => {
      socket.on('disconnect', (reason) => {
        socket.close();
        resolve(reason);
      });
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', (error) => {
        socket.close();
        reject(error);
      });
      const giveUp = (): void => {
        reject(disconnected());
      };
      socket.once('disconnect', giveUp);
      // A socket that is closed before it is connected says nothing at all.
      this.#stop.signal.addEventListener('abort', giveUp, { once: true });
      if (this.#isStopped()) giveUp();
    });
    return { ended };
  }

  #delayAfter(error: unknown, failures: number): number {
    const options = this.#options;
    const refused = connectErrorSchema.safeParse(error);
    const code = refused.success
      ? refused.data.data.code
      : error instanceof MeloError
        ? error.code
        : null;
    const message = refused.success ? refused.data.data.message : String(error);
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
    const socket = this.#socket;
    if (socket?.connected !== true) throw disconnected();
    this.#bytesSent += requestBytes(request);
    const answer = await acknowledged(
      socket,
      name,
      request,
      this.#options.acknowledgementTimeoutMs,
    );
    const refusal = refusalSchema.safeParse(answer);
    if (refusal.success) throw new RefusedError(refusal.data);
    return parseMessage(responseSchemas[name].response, answer, `answer to ${name}`);
  }
}
