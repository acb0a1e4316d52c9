/**
 * Something of the coordinator that is read at once, after each change of its topics, and every half minute in any case;
 * read once for however many parts of the page that show it.
 */
import { ApiError } from './client.ts';
import { live } from './live.ts';
import type { ChangeTopic } from './schemas.ts';

const refreshMs = 30_000;
/** Milliseconds between two readings at least: a busy round changes many times a second. */
const pauseMs = 700;

/** The last answer stays while a new one is under way, and while there is none. */
export interface Snapshot<T> {
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
}

const signedOutListeners = new Set<() => void>();

/** Hear that a sign-in is missing. */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

/** Something of the coordinator, kept fresh for as long as somebody looks. */
export class Resource<T> {
  readonly #read: () => Promise<T>;
  readonly #topics: readonly ChangeTopic[];
  readonly #listeners = new Set<() => void>();
  #snapshot: Snapshot<T> = { data: undefined, error: undefined };
  #stop: (() => void) | undefined;
  #isReading = false;
  /** Those who wait for a reading that has not begun. */
  readonly #waiting: (() => void)[] = [];
  #isAwaited = false;
  /** How often everybody who looked has left. */
  #endCount = 0;
  #endPause: (() => void) | undefined;

  constructor(read: () => Promise<T>, topics: readonly ChangeTopic[]) {
    this.#read = read;
    this.#topics = topics;
  }

  readonly snapshot = (): Snapshot<T> => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#stop ??= this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#end();
    };
  };

  #start(): () => void {
    const timer = setInterval(() => void this.look(), refreshMs);
    const stopListening = live.onChange(async (changed) => {
      if (changed === 'all') await this.look(true);
      else if (this.#topics.some((topic) => changed.has(topic))) await this.look();
    });
    void this.look(true);
    return () => {
      clearInterval(timer);
      stopListening();
    };
  }

  /** Forget what was read, so that whoever signs in next does not see it. */
  #end(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#endCount += 1;
    for (const end of this.#waiting.splice(0)) end();
    this.#snapshot = { data: undefined, error: undefined };
  }

  /**
   * Read, one reading after the other, so that an old answer never comes after a newer one; ends when what was read is
   * shown. `isAwaited`: a person waits, so that the pause between two readings is left out.
   */
  readonly look = async (isAwaited = false): Promise<void> => {
    const isShown = new Promise<void>((end) => this.#waiting.push(end));
    if (isAwaited) {
      this.#isAwaited = true;
      this.#endPause?.();
    }
    if (!this.#isReading) void this.#readWhileAsked();
    await isShown;
  };

  async #readWhileAsked(): Promise<void> {
    this.#isReading = true;
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting.splice(0);
      this.#isAwaited = false;
      try {
        const endedBefore = this.#endCount;
        const next = await this.#readOnce();
        // What was read for somebody who has left is not shown to whoever comes next.
        if (endedBefore === this.#endCount) this.#take(next);
      } finally {
        for (const end of waiting) end();
      }
      await this.#pause();
    }
    this.#isReading = false;
  }

  async #pause(): Promise<void> {
    if (this.#isAwaited) return;
    await new Promise<void>((wake) => {
      const timer = setTimeout(wake, pauseMs);
      this.#endPause = () => {
        clearTimeout(timer);
        wake();
      };
    });
    this.#endPause = undefined;
  }

  async #readOnce(): Promise<Snapshot<T>> {
    try {
      return { data: await this.#read(), error: undefined };
    } catch (error) {
      if (error instanceof ApiError) return { data: this.#snapshot.data, error };
      throw error;
    }
  }

  #take(next: Snapshot<T>): void {
    this.#snapshot = next;
    for (const listener of this.#listeners) listener();
    if (next.error?.isSignedOut !== true) return;
    for (const listener of signedOutListeners) listener();
  }
}
