/**
 * A coordinator whose versions or rounds do not continue what this site knows: it forked, or it was restored from a backup. It
 * is said and remembered, rounds are declined, and a person decides whether it goes on from there.
 */
import { takeAcceptance } from '../audit/audit-memory.ts';
import type { Judgement } from '../policy/policy.ts';
import { WorkFiles } from '../trainer/work-files.ts';
import { roundName, type AgentContext } from './context.ts';
import type { VerifiedAssignment } from './decision-sender.ts';
import { workDirectory } from './round-worker.ts';
import type { TaskJournal } from './task-journal.ts';

const reasonMax = 500;

/** Why a round is declined that {@link isOtherRoundOpen}. */
export const anotherRoundOpen: Judgement = {
  isApproved: false,
  decline: {
    code: 'VERSION_FORK',
    reason: 'this site took part in the same attempt of this round under another RoundOpen',
  },
};

/** Whether this site took part in the same attempt under another RoundOpen, which an honest coordinator never gives. */
export function isOtherRoundOpen(
  journal: TaskJournal,
  { key, roundOpenDigest }: VerifiedAssignment,
): boolean {
  const { round } = journal.get(key.task);
  return (
    round !== null &&
    roundName(round.key) === roundName(key) &&
    round.roundOpenDigest !== roundOpenDigest &&
    round.phase !== 'declined'
  );
}

/** Remember that a task does not continue what this site knows: people are told once, and `agent status` says so. */
export async function rememberFork(
  { journal, emit }: Pick<AgentContext, 'journal' | 'emit'>,
  task: string,
  what: string,
): Promise<void> {
  if (journal.get(task).fork !== null) return;
  const reason = what.slice(0, reasonMax);
  await journal.update(task, { fork: reason });
  emit({ event: 'version-fork', task, reason });
}

/** Whether anything waits for a person's word. */
export function isForked({ audit, journal }: Pick<AgentContext, 'audit' | 'journal'>): boolean {
  return audit.fork !== null || journal.list().some(({ fork }) => fork !== null);
}

/** Forget versions and rounds where somebody at this site accepted that the coordinator goes on from where it is. */
export function forgetWhereAccepted({
  config,
  journal,
  emit,
}: Pick<AgentContext, 'config' | 'journal' | 'emit'>): Promise<void> {
  return takeAcceptance(config.dataDirectory, async () => {
    await journal.forgetChains();
    emit({ event: 'fork-accepted' });
  });
}

/** Remove what an attempt of the same name left under another RoundOpen, before a person accepted this one. */
export async function removeForeignWork(
  context: AgentContext,
  { key, roundOpenDigest }: VerifiedAssignment,
): Promise<void> {
  if (context.journal.get(key.task).round?.roundOpenDigest === roundOpenDigest) return;
  await context.outbox.removeForeign(key, roundOpenDigest);
  await new WorkFiles(workDirectory(context, key)).removeAll();
}
