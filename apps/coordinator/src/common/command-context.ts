/**
 * The command of a person that is being done: who gave it, and the Idempotency-Key it came with. Whatever is called on its
 * behalf can ask; once it is answered there is none any more, also for work that it started.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** An Idempotency-Key of a caller, and what it came with. */
export interface KeyClaim {
  /** Digest of caller and key. */
  readonly name: string;
  readonly requestDigest: string;
}

/** A command of a person. */
export interface CommandContext {
  /** Who gave it, as the audit log says; null where nobody had to say. */
  readonly actor: string | null;
  /** The beginning of the hash of the token that the caller has or signed in with; null without one. */
  readonly token: string | null;
  readonly claim: KeyClaim | null;
  /** Whether this command took effect before and its answer was lost. */
  readonly isRepeat: boolean;
}

const storage = new AsyncLocalStorage<{ command: CommandContext | undefined }>();

/** Do a command; {@link currentCommand} tells of it until the work has ended. */
export function runCommand<T>(command: CommandContext, work: () => Promise<T>): Promise<T> {
  const held: { command: CommandContext | undefined } = { command };
  return storage.run(held, async () => {
    try {
      return await work();
    } finally {
      held.command = undefined;
    }
  });
}

/** The command that is being done, where this is called on its behalf. */
export function currentCommand(): CommandContext | undefined {
  return storage.getStore()?.command;
}

/**
 * Whether the present command took effect before and its answer was lost on the way: it then answers with what is there
 * and does nothing again.
 */
export function isRepeatedCommand(): boolean {
  return currentCommand()?.isRepeat === true;
}
