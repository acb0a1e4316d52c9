/**
 * Tasks that this site has withdrawn from: one durable file each in the data folder. `melo agent withdraw` and `rejoin` write
 * them, beside a running agent or before its next start; the agent looks at an interval.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MeloError } from '#core/errors';
import { taskIdSchema, wallTimeMsSchema, type TaskId } from '#core/protocol';
import {
  makePrivateDirectory,
  readJsonIfPresent,
  writeJsonDurably,
} from '../common/durable-file.ts';

/** Characters of a reason: with its code it fits the record's 500. */
export const withdrawalReasonMax = 400;

const withdrawalSchema = z.strictObject({
  version: z.literal(1),
  task: taskIdSchema,
  /** What the coordinator and the other sites may read. */
  reason: z.string().min(1).max(withdrawalReasonMax),
  requestedAtMs: wallTimeMsSchema,
});
/** That, when and why a site has withdrawn from a task. */
export type Withdrawal = z.infer<typeof withdrawalSchema>;

/** Tasks that this site has withdrawn from. */
export class Withdrawals {
  readonly #directory: string;
  #present: ReadonlyMap<string, Withdrawal> = new Map();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Open the folder below the agent's data folder and read what is there. */
  static async open(dataDirectory: string): Promise<Withdrawals> {
    const withdrawals = new Withdrawals(
      await makePrivateDirectory(join(dataDirectory, 'withdrawals')),
    );
    await withdrawals.refresh();
    return withdrawals;
  }

  /** The withdrawal from a task as it was last read; undefined where the site takes part. */
  of(task: string): Withdrawal | undefined {
    return this.#present.get(task);
  }

  /** Read the folder again; returns the tasks of which something has changed. */
  async refresh(): Promise<readonly string[]> {
    const before = this.#present;
    const names = (await readdir(this.#directory)).filter((name) => name.endsWith('.json'));
    const tasks = names.flatMap((name) => {
      const task = taskIdSchema.safeParse(name.slice(0, -'.json'.length));
      return task.success ? [task.data] : [];
    });
    const read = await Promise.all(tasks.map(async (task) => before.get(task) ?? this.#read(task)));
    this.#present = new Map(read.flatMap((each) => (each === null ? [] : [[each.task, each]])));
    const now = this.#present;
    return [...new Set([...before.keys(), ...now.keys()])].filter(
      (task) => before.has(task) !== now.has(task),
    );
  }

  /** A damaged file still says that the site is out: only what may be told as the reason is lost. */
  async #read(task: TaskId): Promise<Withdrawal | null> {
    try {
      return await readJsonIfPresent(this.#path(task), withdrawalSchema);
    } catch (error) {
      if (!(error instanceof MeloError)) throw error;
      return { version: 1, task, reason: 'the site has withdrawn', requestedAtMs: 0 };
    }
  }

  /** Withdraw from a task; durable once it returns. */
  async add(task: TaskId, reason: string, requestedAtMs: number): Promise<void> {
    const withdrawal = withdrawalSchema.parse({ version: 1, task, reason, requestedAtMs });
    await writeJsonDurably(this.#path(task), withdrawal);
  }

  /** Take part again. */
  async remove(task: TaskId): Promise<void> {
    await rm(this.#path(task), { force: true });
  }

  #path(task: string): string {
    return join(this.#directory, `${task}.json`);
  }
}
