/** What is on the coordinator's disk, and the changes of it that follow from it alone. */
import {
  isRoundSettled,
  plannedRound,
  type MemberState,
  type RoundEffect,
  type RoundEvent,
  type RoundState,
  type SiteId,
} from '#core/protocol';
import { versionDigest, type Ports, type StoredUpload, type Version } from './ports.ts';
import { attemptsMax, lostRoundsMax, type Scenario } from './scenario.ts';

/** One attempt at a round. */
export interface StoredAttempt {
  readonly round: number;
  readonly attempt: number;
  /** The version that it starts from. */
  readonly base: number;
  readonly openedAtMs: number;
  readonly state: RoundState;
  /** The record that is signed when the attempt ends. */
  readonly record: readonly MemberState[] | null;
}

/** Why a site may not take part. */
export type OutStatus = 'suspended' | 'revoked' | 'left';

/** Everything. */
export interface Root {
  readonly attempts: readonly StoredAttempt[];
  readonly uploads: ReadonlyMap<string, StoredUpload>;
  readonly versions: readonly Version[];
  readonly out: ReadonlyMap<SiteId, OutStatus>;
  /** Rounds lost in a row. */
  readonly lostRounds: ReadonlyMap<SiteId, number>;
  readonly status: 'running' | 'paused' | 'failed' | 'finished';
  readonly reason: string | null;
  /** Where the next round starts, if not at the latest version. */
  readonly nextBase: number | null;
  readonly finalVersion: number;
  /** Attempts at the next round that do not count any more. */
  readonly attemptsForgiven: number;
  readonly promoted: number | null;
  /** Versions that have the share of a site which left. */
  readonly marks: ReadonlySet<string>;
  /** Keys of commands that took effect. */
  readonly commands: ReadonlySet<string>;
}

/** A root that changed, and what follows from it. */
export interface Change {
  readonly root: Root;
  readonly effects: readonly RoundEffect[];
}

/** Where to look, and how decisions are made. */
export interface Deciding {
  readonly scenario: Scenario;
  readonly ports: Ports;
  readonly nowMs: number;
}

/** The disk before anything happens: version 0 and no round. */
export function firstRoot({ rounds }: Scenario): Root {
  const body = {
    ...{ version: 0, base: 0, values: new Float32Array(4), previousDigest: '', members: [] },
  };
  return {
    attempts: [],
    uploads: new Map(),
    versions: [{ ...body, digest: versionDigest(body) }],
    out: new Map(),
    lostRounds: new Map(),
    status: 'running',
    reason: null,
    nextBase: null,
    finalVersion: rounds,
    attemptsForgiven: 0,
    promoted: null,
    marks: new Set(),
    commands: new Set(),
  };
}

/** The last attempt, where it has not ended. */
export function openAttempt({ attempts }: Root): StoredAttempt | null {
  const latest = attempts.at(-1);
  return latest === undefined || isRoundSettled(latest.state) ? null : latest;
}

/** The newest version's number. */
export const latestVersion = ({ versions }: Root): number => versions.length - 1;

/** Sites whose updates a version was made of, its base's and so on. */
export function shareOf({ versions }: Root, version: number): Set<SiteId> {
  const share = new Set<SiteId>();
  for (let at = versions[version]; at !== undefined && at.version > 0; at = versions[at.base])
    for (const { site } of at.members) share.add(site);
  return share;
}

/** Name the mark of a version with the share of a site that left. */
export const markOf = (version: number, site: SiteId): string => `${version} has ${site}`;

/** Open the next attempt, or end the task; null where nothing is to do. */
export function advanced(root: Root, { scenario, ports, nowMs }: Deciding): Change | null {
  if (!ports.mayOpen(root.status) || openAttempt(root) !== null) return null;
  const end = (change: Partial<Root>): Change => ({ root: { ...root, ...change }, effects: [] });
  if (latestVersion(root) >= root.finalVersion) return end({ status: 'finished' });
  const round = latestVersion(root) + 1;
  const latest = root.attempts.at(-1);
  const attempts = latest?.round === round ? latest.attempt : 0;
  if (attempts - root.attemptsForgiven >= attemptsMax)
    return end({ status: 'failed', reason: latest?.state.reason ?? 'no reason' });
  const planned = plannedRound({ ...scenario, members: scenario.sites });
  const events: RoundEvent[] = [
    { type: 'opened', deadlineAtMs: nowMs + scenario.deadlineMs },
    ...scenario.sites.flatMap((site) => {
      const reason = ports.keptOut(root.out.get(site));
      return reason === null ? [] : [{ type: 'withdrawn' as const, site, reason }];
    }),
  ];
  const effects: RoundEffect[] = [];
  let state = planned;
  for (const event of events) {
    const transition = ports.reduce(state, event);
    if (isRoundSettled(state) || transition.kind !== 'changed') break;
    state = transition.state;
    effects.push(...transition.effects);
  }
  const base = ports.baseOf(root);
  const record = isRoundSettled(state) ? ports.recordMembers(state) : null;
  const stored = { round, attempt: attempts + 1, base, openedAtMs: nowMs, state, record };
  return { root: { ...root, attempts: [...root.attempts, stored] }, effects };
}

/** Count who lost a round that has just ended, and suspend who lost too many. */
export function countLostRounds(root: Root, state: RoundState, ports: Ports): Root {
  const lostRounds = new Map(root.lostRounds);
  const out = new Map(root.out);
  for (const { site, status } of state.members) {
    if (status === 'reported') lostRounds.set(site, 0);
    if (status !== 'lost' || !ports.countsAgainst(state)) continue;
    const lost = (lostRounds.get(site) ?? 0) + 1;
    lostRounds.set(site, lost);
    if (!out.has(site) && ports.suspendsAfter(lost, lostRoundsMax)) out.set(site, 'suspended');
  }
  return { ...root, lostRounds, out };
}

/** Publish a version: the next round starts from it. */
export function published(root: Root, version: Version): Root {
  const marks = new Set(root.marks);
  const next = { ...root, versions: [...root.versions, version], nextBase: null };
  for (const [site, status] of root.out)
    if (status === 'left' && shareOf(next, version.version).has(site))
      marks.add(markOf(version.version, site));
  return { ...next, attemptsForgiven: 0, marks };
}

/** What became of an event or a question: a refusal where it may not be. */
export interface Outcome extends Change {
  readonly refusal: string | null;
}

/** Nothing changes. */
export const unchanged = (root: Root, refusal: string | null = null): Outcome => ({
  ...{ root, refusal, effects: [] },
});

/** Apply an event to an attempt, on top of what else the same write changes. */
export function reducedAt(
  root: Root,
  at: { readonly round: number; readonly attempt: number },
  event: RoundEvent,
  ports: Ports,
): Outcome {
  const index = root.attempts.findIndex(
    ({ round, attempt }) => round === at.round && attempt === at.attempt,
  );
  const stored = root.attempts[index];
  if (stored === undefined) return unchanged(root, 'NOT_FOUND');
  const transition = ports.reduce(stored.state, event);
  if (transition.kind === 'refused') return unchanged(root, transition.code);
  if (transition.kind === 'unchanged') return unchanged(root);
  const { state, effects } = transition;
  const isEnd = isRoundSettled(state) && !isRoundSettled(stored.state);
  const record = isEnd ? ports.recordMembers(state) : stored.record;
  const attempts = root.attempts.with(index, { ...stored, state, record });
  const next = { ...root, attempts };
  return { root: isEnd ? countLostRounds(next, state, ports) : next, effects, refusal: null };
}
