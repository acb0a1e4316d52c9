/** One attempt at a socket over one transport: it stands, or it failed and nothing of it is left. */
import { io, type Socket } from 'socket.io-client';
import { z } from 'zod';
import type { SocketAuth } from '#core/protocol';
import { UnavailableError } from '#core/errors';
import { linkAgent, type LinkAgent, type NetworkOptions } from './network.ts';
import type { TransportName } from './transport-choice.ts';

/** A connection that stands. */
export interface StandingSocket {
  readonly socket: Socket;
  readonly link: LinkAgent;
  /** Settles with the reason when the connection ends. */
  readonly ended: Promise<string>;
  /** End it at once, without a word to the other side: it would not hear it. */
  end(reason: string): void;
}

/** There is no connection now. */
export const disconnected = (): UnavailableError =>
  new UnavailableError(
    'COORDINATOR_UNREACHABLE',
    'coordinator: expected a connection, there is none now; it is being made again',
  );

/** A transport that did not get through although the coordinator answers over plain requests. */
export class TransportFailure extends UnavailableError {
  constructor(transport: TransportName, why: string, cause: unknown) {
    super(
      'COORDINATOR_UNREACHABLE',
      `coordinator: expected a connection over ${transport}, ${why}; a proxy or firewall between may not let it through, \`melo doctor\` tries every way`,
      { transport },
      { cause },
    );
  }
}

/**
 * Connect once.
 *
 * @throws TransportFailure, or socket.io's own error whose `data` is the coordinator's refusal
 */
export async function connectSocket(options: {
  readonly url: string;
  readonly auth: SocketAuth;
  readonly transport: TransportName;
  readonly network: NetworkOptions;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called with the socket before anything can come over it. */
  readonly prepare: (socket: Socket) => void;
}): Promise<StandingSocket> {
  const { url, transport, network, timeoutMs, signal } = options;
  const link = linkAgent(new URL(url), network);
  const socket = io(`${url}/sites`, {
    auth: options.auth,
    transports: [transport],
    transportOptions: { [transport]: { agent: link.agent } },
    reconnection: false,
    forceNew: true,
    timeout: timeoutMs,
  });
  options.prepare(socket);
  let endReason: string | null = null;
  const ended = new Promise<string>((resolve) => {
    socket.on('disconnect', (reason) => {
      socket.close();
      link.destroy();
      resolve(endReason ?? reason);
    });
  });
  const end = (reason: string): void => {
    endReason = reason;
    link.destroy();
  };
  try {
    await established(socket, { transport, timeoutMs, signal });
  } catch (error) {
    socket.close();
    link.destroy();
    throw error;
  }
  return { socket, link, ended, end };
}

const describedSchema = z.object({ description: z.object({ message: z.string().max(500) }) });

/** What engine.io keeps beside its own words, e.g. the status that a proxy answered the upgrade with. */
export function whyOf(error: Error): string {
  const described = describedSchema.safeParse(error);
  return described.success
    ? `${error.message} (${described.data.description.message})`
    : error.message;
}

function established(
  socket: Socket,
  options: {
    readonly transport: TransportName;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { transport, timeoutMs, signal } = options;
  return new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      settle();
      reject(error);
    };
    // A socket that is closed before it is connected says nothing at all, and one in a half-open link neither.
    const timer = setTimeout(() => {
      fail(new TransportFailure(transport, `none came in ${timeoutMs} ms`, undefined));
    }, timeoutMs);
    const giveUp = (): void => fail(disconnected());
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    };
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    socket.once('connect', () => {
      settle();
      resolve();
    });
    socket.once('connect_error', (error) => {
      const isRefusal = 'data' in error && error.data !== undefined;
      fail(isRefusal ? error : new TransportFailure(transport, whyOf(error), error));
    });
    socket.once('disconnect', giveUp);
  });
}
