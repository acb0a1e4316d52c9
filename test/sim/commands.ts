/** What an administrator asks of the coordinator, each a change of its disk in one write. */
import type { SiteId } from '#core/protocol';
import {
  latestVersion,
  markOf,
  openAttempt,
  reducedAt,
  unchanged,
  type Deciding,
  type Outcome,
  type OutStatus,
  type Root,
} from './root.ts';

/** A command. */
export type Command =
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'abandon' }
  | { readonly type: 'shut-out'; readonly site: SiteId; readonly status: OutStatus }
  | { readonly type: 'let-back'; readonly site: SiteId }
  | { readonly type: 'rerun'; readonly from: number; readonly rounds: number }
  | { readonly type: 'rollback'; readonly from: number; readonly rounds: number };

/** Abandon the open attempt, if there is one, in the write that changes what else changes. */
function abandoned(root: Root, reason: string, { ports }: Deciding): Outcome {
  const open = openAttempt(root);
  return open === null
    ? unchanged(root)
    : reducedAt(root, open, { type: 'abandoned', reason }, ports);
}

/** Let the next round start from a version; an open attempt that starts from another one is abandoned. */
function rerun(
  root: Root,
  { type, from, rounds }: Extract<Command, { from: number }>,
  deciding: Deciding,
): Outcome {
  const { ports } = deciding;
  const open = openAttempt(root);
  const isKept = open !== null && ports.keepsAttempt(open, from);
  const latest = root.attempts.at(-1);
  const attempts = latest?.round === latestVersion(root) + 1 ? latest.attempt : 0;
  const isPromoted = type === 'rollback' && ports.promotesOnRollback;
  const next: Root = {
    ...root,
    status: root.status === 'paused' ? 'paused' : 'running',
    reason: null,
    nextBase: from === latestVersion(root) ? null : from,
    finalVersion: latestVersion(root) + rounds,
    attemptsForgiven: attempts - (isKept ? 1 : 0),
    promoted: isPromoted ? from : root.promoted,
  };
  return isKept
    ? { root: next, effects: [], refusal: null }
    : abandoned(next, `the task is run again from version ${from}`, deciding);
}

/** Change the disk as a command says; the same root where there is nothing to change. */
export function commanded(root: Root, command: Command, deciding: Deciding): Outcome {
  switch (command.type) {
    case 'pause':
      return root.status === 'running'
        ? { ...unchanged({ ...root, status: 'paused' }) }
        : unchanged(root, 'STATE_CONFLICT');
    case 'resume': {
      if (root.status !== 'paused' && root.status !== 'failed')
        return unchanged(root, 'STATE_CONFLICT');
      const latest = root.attempts.at(-1);
      const attemptsForgiven =
        root.status === 'failed' ? (latest?.attempt ?? 0) : root.attemptsForgiven;
      return unchanged({ ...root, status: 'running', reason: null, attemptsForgiven });
    }
    case 'abandon':
      return abandoned(root, 'an administrator abandoned it', deciding);
    case 'shut-out': {
      const { site, status } = command;
      const before = root.out.get(site);
      if (before === 'revoked' || before === 'left') return unchanged(root, 'STATE_CONFLICT');
      return unchanged({ ...root, out: new Map(root.out).set(site, status) });
    }
    case 'let-back': {
      const { site } = command;
      if (root.out.get(site) !== 'suspended') return unchanged(root, 'STATE_CONFLICT');
      const out = new Map(root.out);
      out.delete(site);
      return unchanged({ ...root, out, lostRounds: new Map(root.lostRounds).set(site, 0) });
    }
    case 'rerun':
    case 'rollback':
      return rerun(root, command, deciding);
  }
}

/** Mark every version with the share of a site that left; the same root where all are marked. */
export function markShares(root: Root, { ports }: Deciding): Root {
  const marks = new Set(root.marks);
  for (const [site, status] of root.out) {
    if (status !== 'left') continue;
    for (const version of ports.withShareOf(root, site)) marks.add(markOf(version, site));
  }
  return marks.size === root.marks.size ? root : { ...root, marks };
}

/** The last version without a site's share, where the next round would start from one with it; null elsewhere. */
export function rerunWithout(root: Root, site: SiteId, { ports }: Deciding): number | null {
  const withShare = ports.withShareOf(root, site);
  if (!withShare.includes(root.nextBase ?? latestVersion(root))) return null;
  const without = root.versions
    .map(({ version }) => version)
    .filter((version) => !withShare.includes(version));
  return Math.max(...without);
}
