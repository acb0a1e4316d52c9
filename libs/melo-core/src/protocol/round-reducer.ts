/**
 * The round as a pure function: (state, event) -> (state, effects) or a refusal. No clock, no I/O, no randomness.
 *
 * planned -> inviting -> training -> aggregating -> published, and from each of the first four -> abandoned.
 * A round waits for every member until its deadline, so that a quick quorum never starves a large hospital, unless its
 * rules say `wait: quorum`; members that have not reported by then are lost, and what they send later is kept and shown as
 * late. A member that is held back (an agent that is too old) may still take part, but is waited for only where the
 * quorum needs it. A round whose quorum cannot be met any more still waits for the others: a decline is final for the
 * attempt, and attempts that end at once would be used up before anybody can mend anything.
 */
import type { ErrorCode } from '#core/errors';
import type { MemberState, RoundEffect, RoundEvent, RoundState } from './round-state.ts';
import type { MemberStatus } from './signed-payloads.ts';

/** What became of an event: a new state with effects, nothing new (a repeat), or a refusal with its code. */
export type RoundTransition =
  | {
      readonly kind: 'changed';
      readonly state: RoundState;
      readonly effects: readonly RoundEffect[];
    }
  | { readonly kind: 'unchanged'; readonly state: RoundState }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string };

/** Member statuses from which nothing more is awaited. */
const settledStatuses: ReadonlySet<MemberStatus> = new Set([
  'declined',
  'reported',
  'late',
  'withdrawn',
  'rejected',
  'lost',
]);

/** Tell whether nothing more is awaited from a member. */
export function isMemberSettled(member: Pick<MemberState, 'status'>): boolean {
  return settledStatuses.has(member.status);
}

/** Tell whether a member would take part and may not yet. */
export function isHeldBack(member: Pick<MemberState, 'status' | 'reason'>): boolean {
  return member.status === 'invited' && member.reason !== null;
}

/** Tell whether a round has ended. */
export function isRoundSettled(state: RoundState): boolean {
  return state.phase === 'published' || state.phase === 'abandoned';
}

/**
 * Make the state of a planned round.
 *
 * @param rules - members (any order, each once), quorum by sites and by share of the declared samples, for whom it waits
 */
export function plannedRound(rules: {
  readonly members: readonly MemberState['site'][];
  readonly quorumSites: number;
  readonly quorumSampleShare: number;
  readonly wait?: RoundState['wait'];
}): RoundState {
  return {
    version: 1,
    phase: 'planned',
    reason: null,
    quorumSites: rules.quorumSites,
    quorumSampleShare: rules.quorumSampleShare,
    deadlineAtMs: null,
    ...(rules.wait === undefined ? {} : { wait: rules.wait }),
    members: [...rules.members]
      .sort((a, b) => (a < b ? -1 : 1))
      .map((site) => ({
        site,
        status: 'invited',
        reason: null,
        samples: null,
        updateDigest: null,
      })),
  };
}

const refuse = (code: ErrorCode, message: string): RoundTransition => ({
  kind: 'refused',
  code,
  message,
});
const changed = (state: RoundState, ...effects: RoundEffect[]): RoundTransition => ({
  kind: 'changed',
  state,
  effects,
});

function withMember(state: RoundState, site: string, change: Partial<MemberState>): RoundState {
  const members = state.members.map((member) =>
    member.site === site ? { ...member, ...change } : member,
  );
  return { ...state, members };
}

/** Say why the quorum is not met, or null when it is. */
export function missingQuorum(state: RoundState): string | null {
  const reported = state.members.filter((member) => member.status === 'reported');
  if (reported.length < state.quorumSites) {
    return `${reported.length} of ${state.members.length} sites reported, the quorum is ${state.quorumSites}`;
  }
  const sumSamples = (members: readonly MemberState[]): number =>
    members.reduce((sum, member) => sum + (member.samples ?? 0), 0);
  const planned = sumSamples(state.members);
  const share = planned === 0 ? 0 : sumSamples(reported) / planned;
  if (share < state.quorumSampleShare) {
    return `reports cover ${(100 * share).toFixed(1)} % of the declared samples, the quorum is ${(100 * state.quorumSampleShare).toFixed(1)} %`;
  }
  return null;
}

/** Give up: who was still at work keeps its status and gets the reason. */
function abandon(state: RoundState, reason: string): RoundTransition {
  const members = state.members.map((member) =>
    isMemberSettled(member) || member.reason !== null
      ? member
      : { ...member, reason: 'the round was abandoned before this site had reported' },
  );
  return changed(
    { ...state, phase: 'abandoned', reason, members },
    { type: 'settle', outcome: 'abandoned' },
  );
}

/** Take nothing more from anybody: who is held back has declined, who is at work is lost. */
function close(state: RoundState, lostBecause: string): RoundState {
  const members = state.members.map((member): MemberState => {
    if (isMemberSettled(member)) return member;
    if (isHeldBack(member)) return { ...member, status: 'declined' };
    return { ...member, status: 'lost', reason: `${lostBecause} (was ${member.status})` };
  });
  return { ...state, members };
}

function aggregate(state: RoundState, effects: readonly RoundEffect[]): RoundTransition {
  return changed({ ...state, phase: 'aggregating' }, ...effects, { type: 'aggregate' });
}

/** Go on to the aggregate, or give up, once nothing more is awaited or the quorum is all that the round waits for. */
function settleIfDone(state: RoundState, ...effects: RoundEffect[]): RoundTransition {
  const missing = missingQuorum(state);
  const unsettled = state.members.filter((member) => !isMemberSettled(member));
  if (unsettled.every(isHeldBack)) {
    if (missing === null) return aggregate(close(state, 'not awaited'), effects);
    return unsettled.length === 0 ? abandon(state, missing) : changed(state, ...effects);
  }
  if (state.wait !== 'quorum' || missing !== null) return changed(state, ...effects);
  const closed = close(state, 'no report before the round went on with its quorum');
  return aggregate({ ...closed, isClosedByQuorum: true }, effects);
}

/** Statuses a member may have for an event to apply while the round is open. */
const allowedFrom: Readonly<
  Record<
    | 'accepted'
    | 'declined'
    | 'held-back'
    | 'training-started'
    | 'upload-begun'
    | 'reported'
    | 'rejected'
    | 'withdrawn',
    readonly MemberStatus[]
  >
> = {
  accepted: ['invited'],
  declined: ['invited'],
  'held-back': ['invited'],
  'training-started': ['accepted'],
  'upload-begun': ['accepted', 'training', 'uploading'],
  reported: ['uploading'],
  rejected: ['uploading'],
  withdrawn: ['invited', 'accepted', 'training', 'uploading', 'reported'],
};

type SiteEvent = Extract<RoundEvent, { site: unknown }>;

/** Tell whether the event says again what the member's record says already. */
function isRepeat(member: MemberState, event: SiteEvent): boolean {
  switch (event.type) {
    case 'accepted':
      return member.samples === event.samples && !['invited', 'declined'].includes(member.status);
    case 'declined':
      return member.status === 'declined';
    case 'held-back':
      return member.status === 'invited' && member.reason === event.reason;
    case 'training-started':
      return ['training', 'uploading', 'reported'].includes(member.status);
    case 'upload-begun':
      return (
        member.updateDigest === event.updateDigest &&
        ['uploading', 'reported', 'late'].includes(member.status)
      );
    case 'reported':
      return (
        member.updateDigest === event.updateDigest && ['reported', 'late'].includes(member.status)
      );
    case 'rejected':
      return member.status === 'rejected';
    case 'withdrawn':
      return member.status === 'withdrawn';
  }
}

/** Say why a whole update is late; the record of a settled round stays as it was signed. */
function lateReason(state: RoundState): string {
  const after =
    state.isClosedByQuorum === true ? 'the round had gone on with its quorum' : 'the deadline';
  const isSigned = isRoundSettled(state);
  return `the update arrived after ${after}${isSigned ? ' and after the record was signed, which says lost' : ''}`;
}

/** An update that arrives whole after the round has closed: kept and shown, never in the aggregate. */
function reduceLate(
  state: RoundState,
  member: MemberState,
  event: SiteEvent,
): RoundTransition | null {
  if (event.type === 'upload-begun' && member.status === 'lost' && member.samples !== null) {
    return changed(withMember(state, member.site, { updateDigest: event.updateDigest }));
  }
  if (
    event.type === 'reported' &&
    member.status === 'lost' &&
    member.updateDigest === event.updateDigest
  ) {
    return changed(
      withMember(state, member.site, {
        status: 'late',
        reason: lateReason(state),
      }),
      { type: 'announce' },
    );
  }
  return null;
}

function reduceSiteEvent(state: RoundState, event: SiteEvent): RoundTransition {
  const member = state.members.find((candidate) => candidate.site === event.site);
  if (member === undefined) {
    return refuse(
      'NOT_A_MEMBER',
      `round: site ${event.site} is not one of its ${state.members.length} members`,
    );
  }
  if (isRepeat(member, event)) return { kind: 'unchanged', state };
  if (state.phase !== 'inviting' && state.phase !== 'training') {
    if (state.phase === 'planned') return refuse('STATE_CONFLICT', 'round: it is not open yet');
    return (
      reduceLate(state, member, event) ??
      refuse(
        'ROUND_CLOSED',
        `round: it is ${state.phase} and takes nothing more from site ${event.site} (${member.status})`,
      )
    );
  }
  if (
    event.type === 'upload-begun' &&
    member.updateDigest !== null &&
    member.updateDigest !== event.updateDigest
  ) {
    return refuse(
      'UPDATE_DUPLICATE',
      `round: site ${event.site} began another update for this attempt already`,
    );
  }
  if (
    event.type === 'reported' &&
    member.status === 'uploading' &&
    member.updateDigest !== event.updateDigest
  ) {
    return refuse(
      'UPDATE_DUPLICATE',
      `round: site ${event.site} reports another update than the one it began`,
    );
  }
  if (!allowedFrom[event.type].includes(member.status)) {
    return refuse(
      'STATE_CONFLICT',
      `round: site ${event.site} is ${member.status}, ${event.type} does not apply`,
    );
  }
  return applySiteEvent(state, event);
}

function applySiteEvent(state: RoundState, event: SiteEvent): RoundTransition {
  const announce: RoundEffect = { type: 'announce' };
  const { site } = event;
  switch (event.type) {
    case 'accepted':
      return changed(
        {
          ...withMember(state, site, { status: 'accepted', samples: event.samples, reason: null }),
          phase: 'training',
        },
        announce,
      );
    case 'training-started':
      return changed(withMember(state, site, { status: 'training' }), announce);
    case 'upload-begun':
      return changed(
        withMember(state, site, { status: 'uploading', updateDigest: event.updateDigest }),
        announce,
      );
    case 'reported':
      return settleIfDone(
        withMember(state, site, { status: 'reported', samples: event.samples }),
        announce,
      );
    case 'held-back':
      return settleIfDone(withMember(state, site, { reason: event.reason }), announce);
    case 'declined':
    case 'rejected':
    case 'withdrawn':
      return settleIfDone(
        withMember(state, site, { status: event.type, reason: event.reason }),
        announce,
      );
  }
}

/**
 * Apply one event to the state of a round.
 *
 * @param state - not changed; the new state is another object
 * @param event - parsed, its signature verified by the caller
 * @returns `unchanged` for a repeat of what is recorded (answered as the first time), `refused` with a code otherwise
 */
export function reduceRound(state: RoundState, event: RoundEvent): RoundTransition {
  if ('site' in event) return reduceSiteEvent(state, event);
  switch (event.type) {
    case 'opened':
      if (state.phase !== 'planned')
        return refuse('STATE_CONFLICT', `round: it was opened already (${state.phase})`);
      return changed(
        { ...state, phase: 'inviting', deadlineAtMs: event.deadlineAtMs },
        { type: 'schedule-deadline', deadlineAtMs: event.deadlineAtMs },
        { type: 'announce' },
      );
    case 'deadline-passed': {
      if (state.phase !== 'inviting' && state.phase !== 'training') {
        return refuse('STATE_CONFLICT', `round: no deadline runs while it is ${state.phase}`);
      }
      return settleIfDone(close(state, 'no report by the deadline'), { type: 'announce' });
    }
    case 'aggregated':
      if (state.phase !== 'aggregating')
        return refuse('STATE_CONFLICT', `round: nothing is aggregated while it is ${state.phase}`);
      return changed({ ...state, phase: 'published' }, { type: 'settle', outcome: 'published' });
    case 'abandoned':
      if (isRoundSettled(state))
        return refuse('STATE_CONFLICT', `round: it is ${state.phase} already`);
      return abandon(state, event.reason);
  }
}

/**
 * Say what a coordinator does when it starts again with this state: the effects whose outcome is not recorded yet.
 */
export function effectsAfterRestart(state: RoundState): readonly RoundEffect[] {
  switch (state.phase) {
    case 'inviting':
    case 'training':
      return state.deadlineAtMs === null
        ? []
        : [{ type: 'schedule-deadline', deadlineAtMs: state.deadlineAtMs }];
    case 'aggregating':
      return [{ type: 'aggregate' }];
    case 'planned':
    case 'published':
    case 'abandoned':
      return [];
  }
}
