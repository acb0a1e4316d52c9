/** What `melo admin watch` needs of the world beside the other commands: a socket, a screen, time that passes, Ctrl-C. */
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { z } from 'zod';
import type { CoordinatorAddress } from './coordinator-client.ts';

/** Told by a feed of changes. */
export interface FeedListener {
  /** Something of these topics may have changed. */
  onChanged(topics: readonly string[]): void;
  /** Whether it hears of changes now; why not where the coordinator said so. */
  onState(isLive: boolean, reason: string | null): void;
}

/** A terminal that is drawn on in place. */
export interface Screen {
  columns(): number;
  rows(): number;
  write(text: string): void;
}

/** The world of `melo admin watch`. */
export interface WatchPorts {
  /** Listen, and connect again for ever; what is returned ends it. */
  openFeed(address: CoordinatorAddress, listener: FeedListener): () => void;
  /** Null where standard output is no terminal. */
  readonly screen: Screen | null;
  /** Aborts at Ctrl-C, at a signal to end, and where nobody reads standard output any more. */
  untilInterrupted(): AbortSignal;
  /** Resolves after a while, and at once where the signal aborts. */
  pause(durationMs: number, signal: AbortSignal): Promise<void>;
}

const retryMs = 5000;
const retryMaxMs = 10_000;

const changedSchema = z.object({ version: z.number(), topics: z.array(z.string()) });

/** Listen to the pages' namespace of a coordinator; it names topics and nothing else. */
export function openFeed({ url, token }: CoordinatorAddress, listener: FeedListener): () => void {
  const socket = io(new URL('/dashboard', url).href, {
    // Without long polling: its fallback is to look by REST, which goes through wherever that would.
    transports: ['websocket'],
    auth: { token },
    forceNew: true,
    reconnectionDelayMax: retryMaxMs,
  });
  let timer: NodeJS.Timeout | undefined;
  const connectLater = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.connect(), retryMs);
  };
  socket.on('connect', () => {
    listener.onState(true, null);
  });
  socket.on('disconnect', (why) => {
    listener.onState(false, null);
    if (why === 'io server disconnect') connectLater();
  });
  socket.on('connect_error', (error) => {
    // After a refusal by the coordinator the library does not try again by itself, and only then is there a word for people.
    listener.onState(false, socket.active ? null : error.message);
    if (!socket.active) connectLater();
  });
  socket.on('changed', (message: unknown) => {
    const changed = changedSchema.safeParse(message);
    if (changed.success) listener.onChanged(changed.data.topics);
  });
  return () => {
    clearTimeout(timer);
    socket.disconnect();
  };
}

/** The real world. */
export function nodeWatchPorts(): WatchPorts {
  const { stdout } = process;
  const isTerminal = stdout.isTTY && process.env['TERM'] !== 'dumb';
  const screen: Screen = {
    columns: () => stdout.columns,
    rows: () => stdout.rows,
    write: (text) => void stdout.write(text),
  };
  return {
    openFeed,
    screen: isTerminal ? screen : null,
    untilInterrupted: () => {
      const abort = new AbortController();
      const stop = (): void => {
        abort.abort();
      };
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, stop);
      stdout.on('error', stop);
      return abort.signal;
    },
    pause: async (durationMs, signal) => {
      await sleep(durationMs, undefined, { signal }).catch(() => undefined); // aborted: it is over
    },
  };
}
