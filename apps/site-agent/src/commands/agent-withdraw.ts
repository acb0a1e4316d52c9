/** `melo agent withdraw` and `rejoin`: durable requests, which a running agent takes up within seconds. */
import { join } from 'node:path';
import { InputError } from '#core/errors';
import { taskIdSchema, type TaskId } from '#core/protocol';
import type { AgentConfig } from '../config/agent-config.ts';
import { TaskJournal } from '../rounds/task-journal.ts';
import { withdrawalReasonMax, Withdrawals } from '../rounds/withdrawals.ts';
import { loadSiteConfig } from './data-folder.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const takenUp = 'a running agent takes it up within seconds, otherwise at its next start';

/** A task that the configuration lists, or one that was worked on before. */
async function knownTask(config: AgentConfig, name: string): Promise<TaskId> {
  const journal = await TaskJournal.open(join(config.dataDirectory, 'journal'));
  const known = new Set([...config.tasks.keys(), ...journal.list().map(({ task }) => task)]);
  const task = taskIdSchema.safeParse(name);
  if (task.success && known.has(task.data)) return task.data;
  throw new InputError(
    'NOT_FOUND',
    `${config.file}: expected a task of this site (${[...known].join(', ') || 'it has none'}), got ${name.slice(0, 80)}; see melo agent status`,
  );
}

/** Take this site out of a task, also out of the round that is open. */
export async function withdrawFromTask(
  name: string,
  options: { readonly config: string; readonly reason: string },
): Promise<void> {
  const config = await loadSiteConfig(options.config);
  const task = await knownTask(config, name);
  const reason = options.reason.trim();
  if (reason === '' || reason.length > withdrawalReasonMax) {
    throw new InputError(
      'USAGE',
      `--reason: expected 1 to ${withdrawalReasonMax} characters, got ${reason.length}; say why in words that may leave this site`,
    );
  }
  const withdrawals = await Withdrawals.open(config.dataDirectory);
  const before = withdrawals.of(task);
  if (before !== undefined) {
    say(`${task}: withdrawn before (${before.reason}); nothing is changed`);
    return;
  }
  await withdrawals.add(task, reason, Date.now());
  say(`${task}: withdrawn; ${takenUp}`);
  say(`next, to take part again: melo agent rejoin ${task} --config ${options.config}`);
}

/** Let this site take part in a task again, from the next round on. */
export async function rejoinTask(
  name: string,
  options: { readonly config: string },
): Promise<void> {
  const config = await loadSiteConfig(options.config);
  const task = await knownTask(config, name);
  const withdrawals = await Withdrawals.open(config.dataDirectory);
  if (withdrawals.of(task) === undefined) {
    say(`${task}: not withdrawn; nothing is changed`);
    return;
  }
  await withdrawals.remove(task);
  say(`${task}: takes part again from the next round on; ${takenUp}`);
}
