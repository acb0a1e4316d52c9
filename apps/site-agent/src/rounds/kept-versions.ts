/** Which versions stay on this machine: the latest few of each task, those that its configuration names, what is in use. */
import type { AgentContext } from './context.ts';

/** Remove the versions of a task that are not kept, and say so in the log; `inUse` are kept whatever else holds. */
export async function pruneVersions(
  {
    config,
    journal,
    versions,
    logger,
  }: Pick<AgentContext, 'config' | 'journal' | 'versions' | 'logger'>,
  task: string,
  inUse: readonly number[] = [],
): Promise<void> {
  const removed = await versions.prune(task, {
    newest: journal.get(task).known.version,
    latest: config.keepVersionsLatest,
    also: [...inUse, ...(config.tasks.get(task)?.keepVersions ?? [])],
  });
  if (removed.length === 0) return;
  logger.info(
    { task, count: removed.length, version: removed.at(-1) },
    `adapters: versions removed: ${removed.join(', ')}`,
  );
}
