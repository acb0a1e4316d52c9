/** The socket that says that something changed. It carries no content: whoever hears it reads by REST. */
import { io, type Socket } from 'socket.io-client';
import { changedSchema } from './schemas.ts';

/** How fresh the page is: `stale` means that it no longer hears of changes. */
export type LiveState = 'connecting' | 'live' | 'stale';

const retryMs = 10_000;
/** Milliseconds that a person waits at most until the page shows what they did. */
const lookMaxMs = 5_000;

type Topics = ReadonlySet<string> | 'all';

/** The socket that says that something changed. */
export class Live {
  #socket: Socket | undefined;
  #state: LiveState = 'connecting';
  readonly #stateListeners = new Set<() => void>();
  readonly #changeListeners = new Set<(topics: Topics) => Promise<void>>();

  /** Connect, and go on trying when the connection is lost. */
  start(): void {
    const socket = io('/dashboard', { transports: ['websocket', 'polling'] });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#setState('live');
      void this.#tell('all'); // whatever changed meanwhile was not heard
    });
    socket.on('disconnect', (reason) => {
      this.#setState('stale');
      void this.#tell('all'); // a session that ended shows by what is read next
      if (reason === 'io server disconnect') socket.connect();
    });
    socket.on('connect_error', () => {
      this.#setState('stale');
      // After a refusal by the coordinator the library does not try again by itself.
      if (!socket.active) setTimeout(() => socket === this.#socket && socket.connect(), retryMs);
    });
    socket.on('changed', (message: unknown) => {
      const changed = changedSchema.safeParse(message);
      if (changed.success) void this.#tell(new Set(changed.data.topics));
    });
  }

  stop(): void {
    this.#socket?.disconnect();
    this.#socket = undefined;
    this.#setState('connecting');
  }

  /** Do something without listening meanwhile. */
  async apart(work: () => Promise<unknown>): Promise<void> {
    const isStarted = this.#socket !== undefined;
    if (isStarted) this.stop();
    try {
      await work();
    } finally {
      if (isStarted) this.start();
    }
  }

  /**
   * Look at everything again, after something was changed from here; ends when the page shows it. Whoever acts next
   * acts on what is there then: with what was there before they would collide with themselves.
   */
  async look(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<void>((end) => (timer = setTimeout(end, lookMaxMs)));
    await Promise.race([this.#tell('all'), tooLong]);
    clearTimeout(timer);
  }

  readonly state = (): LiveState => this.#state;

  readonly onState = (listener: () => void): (() => void) => {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  };

  /** Hear of changes; a listener ends when it shows them. */
  onChange(listener: (topics: Topics) => Promise<void>): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  #setState(state: LiveState): void {
    this.#state = state;
    for (const listener of this.#stateListeners) listener();
  }

  async #tell(topics: Topics): Promise<void> {
    await Promise.all([...this.#changeListeners].map((listener) => listener(topics)));
  }
}

/** The page's one socket. */
export const live = new Live();
