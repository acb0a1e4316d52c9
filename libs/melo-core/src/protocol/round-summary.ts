/** A round in one sentence, the same on every screen: a round that lacks a planned site never looks like plain success. */
import type { MemberState, RoundPhase } from './round-state.ts';
import { isHeldBack, isMemberSettled } from './round-reducer.ts';
import type { MemberStatus } from './signed-payloads.ts';

/** What the sentence needs of a member. */
export type SummarisedMember = Pick<MemberState, 'status' | 'reason'> & { readonly site: string };

/** What the sentence needs of a round. */
export interface SummarisedRound {
  readonly phase: RoundPhase;
  readonly reason: string | null;
  readonly quorumSites: number;
  readonly members: readonly SummarisedMember[];
}

const possibleStatuses: ReadonlySet<MemberStatus> = new Set([
  'invited',
  'accepted',
  'training',
  'uploading',
  'reported',
]);

const sites = (count: number): string => `${count} ${count === 1 ? 'site' : 'sites'}`;

/**
 * List the members that are not in the aggregate and of whom nothing more is awaited: of a settled round everybody who has
 * not reported, of an open one those that are out already or held back.
 */
export function missingMembers<Member extends SummarisedMember>(
  round: Pick<SummarisedRound, 'phase'> & { readonly members: readonly Member[] },
): readonly Member[] {
  const isSettled = round.phase === 'published' || round.phase === 'abandoned';
  return round.members.filter(
    (member) =>
      member.status !== 'reported' && (isSettled || isMemberSettled(member) || isHeldBack(member)),
  );
}

/** Say what became of one member: `site-b: lost, no report by the deadline (was training)`. */
export function describeMissing(member: SummarisedMember): string {
  const status = isHeldBack(member) ? 'held back' : member.status;
  return `${member.site}: ${status}${member.reason === null ? '' : `, ${member.reason}`}`;
}

/** Say how far a round is, before who is missing is named. */
function describeProgress(round: SummarisedRound): string {
  const { phase, members, quorumSites } = round;
  const reported = members.filter(({ status }) => status === 'reported').length;
  const possible = members.filter(({ status }) => possibleStatuses.has(status)).length;
  const progress = `${phase}, ${reported} of ${sites(members.length)} reported`;
  const isOpen = phase === 'inviting' || phase === 'training';
  if (!isOpen || possible >= quorumSites) return progress;
  return `${progress}; the quorum of ${quorumSites} cannot be met any more`;
}

/**
 * Say what became of a round, with every planned site that is not in it, its status and its reason.
 *
 * @returns for example `published without site-b: lost, no report by the deadline (was training)`
 */
export function describeRound(round: SummarisedRound): string {
  const missing = missingMembers(round).map(describeMissing).join('; ');
  switch (round.phase) {
    case 'published':
      return missing === ''
        ? `published with all of its ${sites(round.members.length)}`
        : `published without ${missing}`;
    case 'abandoned': {
      const why = `abandoned: ${round.reason ?? 'no reason recorded'}`;
      return missing === '' ? why : `${why}; without ${missing}`;
    }
    case 'planned':
    case 'inviting':
    case 'training':
    case 'aggregating': {
      const progress = describeProgress(round);
      return missing === '' ? progress : `${progress}; without ${missing}`;
    }
  }
}
