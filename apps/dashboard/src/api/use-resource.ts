/** Something of the coordinator, read at once, after each change of its topics, and every half minute in any case. */
import { useEffect, useState } from 'react';
import type { z } from 'zod';
import { ApiError, read } from './client.ts';
import { live } from './live.ts';

const refreshMs = 30_000;

/** Something that is read again and again; the last answer stays while a new one is under way. */
export interface Resource<T> {
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
}

/** Reads one after the other, so that an old answer never comes after a newer one. */
class Reader<Schema extends z.ZodType> {
  readonly #path: string;
  readonly #schema: Schema;
  readonly #take: (resource: Partial<Resource<z.output<Schema>>>) => void;
  #isReading = false;
  #isAskedAgain = false;
  #isStopped = false;

  constructor(
    path: string,
    schema: Schema,
    take: (resource: Partial<Resource<z.output<Schema>>>) => void,
  ) {
    this.#path = path;
    this.#schema = schema;
    this.#take = (resource) => {
      if (!this.#isStopped) take(resource);
    };
  }

  readonly ask = (): void => {
    if (this.#isStopped) return;
    this.#isAskedAgain = true;
    if (!this.#isReading) void this.#readAll();
  };

  stop(): void {
    this.#isStopped = true;
    this.#isAskedAgain = false;
  }

  async #readAll(): Promise<void> {
    this.#isReading = true;
    while (this.#isAskedAgain) {
      this.#isAskedAgain = false;
      this.#take(await this.#readOnce());
    }
    this.#isReading = false;
  }

  async #readOnce(): Promise<Partial<Resource<z.output<Schema>>>> {
    try {
      return { data: await read(this.#path, this.#schema), error: undefined };
    } catch (error) {
      if (error instanceof ApiError) return { error };
      throw error;
    }
  }
}

const signedOutListeners = new Set<() => void>();

/** Hear that a sign-in is missing. */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

/** Read something and keep it fresh. `topics` is one text, e.g. `sites rounds`, so that it can be compared. */
export function useResource<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  topics: string,
): Resource<z.output<Schema>> {
  const [state, setState] = useState<Resource<z.output<Schema>> & { readonly path: string }>({
    path,
    data: undefined,
    error: undefined,
  });
  useEffect(() => {
    const reader = new Reader(path, schema, (resource) => {
      if (resource.error?.isSignedOut === true) {
        for (const listener of signedOutListeners) listener();
      }
      setState((before) => ({
        data: before.path === path ? before.data : undefined,
        error: undefined,
        ...resource,
        path,
      }));
    });
    reader.ask();
    const timer = setInterval(reader.ask, refreshMs);
    const stopListening = live.onChange((changed) => {
      const isMeant = changed === 'all' || topics.split(' ').some((topic) => changed.has(topic));
      if (isMeant) reader.ask();
    });
    return () => {
      reader.stop();
      clearInterval(timer);
      stopListening();
    };
  }, [path, schema, topics]);
  return state.path === path ? state : { data: undefined, error: undefined };
}
