/** What the agent remembers of each task: the chain of versions it knows and where the present round stands. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  adapterVersionSchema,
  digestSchema,
  limits,
  roundKeySchema,
  taskIdSchema,
} from '#core/protocol';
import {
  makePrivateDirectory,
  readJsonIfPresent,
  writeJsonDurably,
} from '../common/durable-file.ts';

const knownSchema = z.strictObject({
  version: adapterVersionSchema,
  /** Digest of the newest result's payload; the next one must name it. Null before the first. */
  resultDigest: digestSchema.nullable(),
  adapterDigest: digestSchema.nullable(),
  /**
   * Digest of every version's file by its number: a task that is run again starts from any of them. Version 0 is null until
   * a round started from it. Journals of 0.1.0 have none: {@link remembersAll} tells, and the chain is pulled again.
   */
  adapterDigests: z
    .array(digestSchema.nullable())
    .max(limits.roundsMax + 1)
    .default([]),
  isFinal: z.boolean(),
});
/** The versions of a task that this site knows. */
export type KnownState = z.infer<typeof knownSchema>;

/** What is known of a task before the first result. */
export const nothingKnown: KnownState = {
  version: 0,
  resultDigest: null,
  adapterDigest: null,
  adapterDigests: [null],
  isFinal: false,
};

/** Whether the digest of every version up to the newest is known. */
export function remembersAll({ version, adapterDigests }: KnownState): boolean {
  return adapterDigests.length === version + 1 || version === 0;
}

const roundStateSchema = z.strictObject({
  key: roundKeySchema,
  roundOpenDigest: digestSchema,
  phase: z.enum(['accepted', 'declined', 'sealed', 'uploaded', 'dropped', 'withdrawn']),
  /** Of phase `withdrawn`: why, in words that may leave the site. Nothing of this attempt goes out any more but that. */
  because: z
    .strictObject({ code: z.string().min(1).max(64), reason: z.string().min(1).max(500) })
    .exactOptional(),
});
/** Where the newest round of a task stands at this site. */
export type RoundState = z.infer<typeof roundStateSchema>;

const taskStateSchema = z.strictObject({
  version: z.literal(1),
  task: taskIdSchema,
  known: knownSchema,
  /** Newest version whose evaluation was signed and put into the outbox; -1 for none. */
  evaluatedVersion: z.number().int().min(-1),
  round: roundStateSchema.nullable(),
  /** Why the task's versions or rounds do not continue what this site knows; its rounds are declined meanwhile. */
  fork: z.string().min(1).max(500).nullable().default(null),
});
/** What the agent remembers of a task. */
export type TaskState = z.infer<typeof taskStateSchema>;

/** A change of a task's state; a function of the state where it depends on it. */
export type TaskChange = Partial<Pick<TaskState, 'known' | 'evaluatedVersion' | 'round' | 'fork'>>;

/** The journal: one file a task, written durably before what it says takes effect elsewhere. */
export class TaskJournal {
  readonly #directory: string;
  readonly #states = new Map<string, TaskState>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Open the folder and read every task's state. */
  static async open(directory: string): Promise<TaskJournal> {
    await makePrivateDirectory(directory);
    const journal = new TaskJournal(directory);
    for (const name of (await readdir(directory)).sort()) {
      if (!name.endsWith('.json')) continue;
      const state = await readJsonIfPresent(join(directory, name), taskStateSchema);
      if (state !== null) journal.#states.set(state.task, state);
    }
    return journal;
  }

  /** Every task there is a state of. */
  list(): readonly TaskState[] {
    return [...this.#states.values()];
  }

  /** The state of a task; a fresh one where nothing is known yet. */
  get(task: string): TaskState {
    return (
      this.#states.get(task) ?? {
        version: 1,
        task: taskIdSchema.parse(task),
        known: nothingKnown,
        evaluatedVersion: -1,
        round: null,
        fork: null,
      }
    );
  }

  /** Forget versions and rounds of every task: a person said that the coordinator goes on from an older backup. */
  async forgetChains(): Promise<void> {
    for (const { task } of this.list()) {
      const nothing = { known: nothingKnown, evaluatedVersion: -1, round: null, fork: null };
      await this.update(task, nothing);
    }
  }

  /** Change a task's state: on disk first, then in memory; changes follow each other, so that none undoes another. */
  update(
    task: string,
    change: TaskChange | ((state: TaskState) => TaskChange),
  ): Promise<TaskState> {
    const updated = this.#last.then(() =>
      this.#apply(task, typeof change === 'function' ? change(this.get(task)) : change),
    );
    this.#last = updated.catch(() => undefined); // the caller hears of a failure, the next change goes on
    return updated;
  }

  async #apply(task: string, change: TaskChange): Promise<TaskState> {
    const state = taskStateSchema.parse({ ...this.get(task), ...change });
    await writeJsonDurably(join(this.#directory, `${task}.json`), state);
    this.#states.set(task, state);
    return state;
  }
}
