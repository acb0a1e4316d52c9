/** Which versions stay on this machine: the latest few of each task, and those that its configuration names. */
import type { AgentContext } from './context.ts';

/** Remove the versions of a task that are not kept, and say so in the log. While none of them is read. */
export async function pruneVersions(
  {
    config,
    journal,
    versions,
    logger,
  }: Pick<AgentContext, 'config' | 'journal' | 'versions' | 'logger'>,
  task: string,
): Promise<void> {
  const removed = await versions.prune(task, {
    newest: journal.get(task).known.version,
    latest: config.keepVersionsLatest,
    pinned: config.tasks.get(task)?.keepVersions ?? [],
  });
  if (removed.length === 0) return;
  logger.info(
    { task, count: removed.length },
    `adapters: old versions removed: ${removed.join(', ')}`,
  );
}
