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
  #isAskedAgain = false;

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
    const timer = setInterval(this.look, refreshMs);
    const stopListening = live.onChange((changed) => {
      if (changed === 'all' || this.#topics.some((topic) => changed.has(topic))) this.look();
    });
    this.look();
    return () => {
      clearInterval(timer);
      stopListening();
    };
  }

  /** Forget what was read, so that whoever signs in next does not see it. */
  #end(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#isAskedAgain = false;
    this.#snapshot = { data: undefined, error: undefined };
  }

  /** Read, one reading after the other, so that an old answer never comes after a newer one. */
  readonly look = (): void => {
    this.#isAskedAgain = true;
    if (!this.#isReading) void this.#readWhileAsked();
  };

  async #readWhileAsked(): Promise<void> {
    this.#isReading = true;
    while (this.#isAskedAgain) {
      this.#isAskedAgain = false;
      const next = await this.#readOnce();
      if (this.#stop !== undefined) this.#take(next);
      await new Promise((wake) => setTimeout(wake, pauseMs));
    }
    this.#isReading = false;
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
