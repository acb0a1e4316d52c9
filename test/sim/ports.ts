/**
 * The decisions of a simulated federation that a planted fault may get wrong: each a function with its right form here.
 *
 * The reducer and the aggregation are the project's own; the rest says in a few lines what the services around them do.
 */
import { createHash } from 'node:crypto';
import { averageUpdates, type SiteUpdate } from '#core/aggregation';
import {
  effectsAfterRestart,
  reduceRound,
  type MemberState,
  type RoundState,
  type SiteId,
} from '#core/protocol';
import { latestVersion, shareOf, type OutStatus, type Root, type StoredAttempt } from './root.ts';

/** An update as a site seals it: once for each attempt. */
export interface SealedUpdate {
  readonly site: SiteId;
  readonly round: number;
  readonly attempt: number;
  readonly samples: number;
  readonly ranges: readonly string[];
  readonly digest: string;
}

/** An update as the coordinator has it: the manifest, and what has arrived. */
export interface StoredUpload extends Omit<SealedUpdate, 'ranges'> {
  readonly rangeCount: number;
  readonly ranges: ReadonlyMap<number, string>;
  readonly isCommitted: boolean;
}

/** A published version and the round that made it. */
export interface Version {
  readonly version: number;
  /** The version that its round started from. */
  readonly base: number;
  readonly values: Float32Array;
  readonly digest: string;
  readonly previousDigest: string;
  readonly members: readonly { readonly site: SiteId; readonly samples: number }[];
}

/** Rules that a site must fit. */
export interface Rules {
  readonly samplesMinimum: number;
  readonly agentMinimum: number;
}

/** What a site says of itself when it accepts. */
export interface Declared {
  readonly samples: number;
  readonly agent: number;
}

/** The decisions. */
export interface Ports {
  reduce: typeof reduceRound;
  restart: typeof effectsAfterRestart;
  aggregate(global: Float32Array, updates: readonly SiteUpdate[]): Float32Array;
  /** Which uploads of an attempt go into the sum. */
  selectUploads(state: RoundState, uploads: readonly StoredUpload[]): readonly StoredUpload[];
  /** Which uploads belong to an attempt. */
  isOfAttempt(upload: StoredUpload, round: number, attempt: number): boolean;
  weightOf(upload: StoredUpload): number;
  /** The members that the record of a settled round names. */
  recordMembers(state: RoundState): readonly MemberState[];
  /** Ranges that need not be sent again. */
  acknowledgedRanges(upload: StoredUpload): readonly number[];
  /** Whether what has arrived is what the manifest names. */
  isWhole(upload: StoredUpload): boolean;
  /** Why a site of this status is taken out of an attempt that opens; null where it may take part. */
  keptOut(status: OutStatus | undefined): string | null;
  /** Whether an update that was reported stays in when its site is suspended, revoked or leaves. */
  keepsReported(status: OutStatus): boolean;
  /** Whether the next attempt may open. */
  mayOpen(status: Root['status']): boolean;
  /** The version that the next attempt starts from. */
  baseOf(root: Root): number;
  /** Whether an open attempt goes on when its task is run again from a version. */
  keepsAttempt(open: StoredAttempt, from: number): boolean;
  /** Whether a lost round counts against who lost it. */
  countsAgainst(state: RoundState): boolean;
  suspendsAfter(lostRounds: number, lostRoundsMax: number): boolean;
  /** What the rules of the task say against a site that would accept. */
  hindrance(rules: Rules, site: Declared): 'declined' | 'held-back' | null;
  /** Whether a command that took effect is not done again. */
  readonly remembersCommands: boolean;
  /** Whether a roll-back also says which version people should use. */
  readonly promotesOnRollback: boolean;
  /** Versions of a task that have a site's share. */
  withShareOf(root: Root, site: SiteId): readonly number[];
  /** How long a restarted coordinator moves a deadline, for the time it was down. */
  addedToDeadline(downMs: number): number;
  /** Whether an answer waits for the write that it tells of. */
  readonly answersAfterWrite: boolean;
  /** Whether a version, and the state that says it is published, are one write. */
  readonly publishesInOneWrite: boolean;
  /** Whether a site takes part in an attempt that says it starts from this version. */
  startsFrom(
    known: readonly string[],
    open: { readonly base: number; readonly baseDigest: string },
  ): boolean;
  /** Whether a site that took its part back sends nothing more. */
  readonly holdsWhatWasWithdrawn: boolean;
  /** Whether a site that was told to be too old asks again. */
  readonly asksAfterHeldBack: boolean;
  /** Whether a site adopts a version after the one it has. */
  isNext(own: { readonly version: number; readonly digest: string }, next: Version): boolean;
  /** Whether a site asks again after so many unanswered tries. */
  asksAgain(tries: number): boolean;
  /** Whether a site asks by itself, without a hint from the coordinator. */
  readonly asksUnprompted: boolean;
  /** The update that a restarted site goes on with. */
  resumed(sealed: SealedUpdate, sealAgain: () => SealedUpdate): SealedUpdate;
  /** The ranges that a site still sends. */
  rangesToSend(count: number, acknowledged: readonly number[]): readonly number[];
  /** Whether a restarted site trains an attempt whose work it had begun. */
  readonly resumesAccepted: boolean;
}

/** Digest of an update: over its site, attempt, samples and every range. */
export function updateDigest(update: Omit<SealedUpdate, 'digest'>): string {
  const { site, round, attempt, samples, ranges } = update;
  return sha256(JSON.stringify([site, round, attempt, samples, ranges]));
}

/** Digest of a version: its numbers, its members and all before it. */
export function versionDigest(version: Omit<Version, 'digest'>): string {
  const { base, values, members, previousDigest } = version;
  return sha256(JSON.stringify([version.version, base, [...values], members, previousDigest]));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Ranges as they stand in order; one that is absent leaves a hole. */
export function rangesInOrder(upload: StoredUpload): string[] {
  return Array.from({ length: upload.rangeCount }, (_, index) => upload.ranges.get(index) ?? '');
}

/** The right decisions. */
export const rightPorts: Ports = {
  reduce: reduceRound,
  restart: effectsAfterRestart,
  aggregate: averageUpdates,
  selectUploads: (state, uploads) => {
    const reported = new Map(
      state.members
        .filter(({ status }) => status === 'reported')
        .map(({ site, updateDigest: digest }) => [site, digest]),
    );
    return uploads.filter((upload) => reported.get(upload.site) === upload.digest);
  },
  isOfAttempt: (upload, round, attempt) => upload.round === round && upload.attempt === attempt,
  weightOf: ({ samples }) => samples,
  recordMembers: ({ members }) => members,
  acknowledgedRanges: ({ ranges }) => [...ranges.keys()],
  isWhole: (upload) => updateDigest({ ...upload, ranges: rangesInOrder(upload) }) === upload.digest,
  keptOut: (status) => (status === undefined ? null : `the site is ${status}`),
  keepsReported: (status) => status === 'suspended',
  mayOpen: (status) => status === 'running',
  baseOf: (root) => root.nextBase ?? latestVersion(root),
  keepsAttempt: (open, from) => open.base === from,
  countsAgainst: ({ isClosedByQuorum }) => isClosedByQuorum !== true,
  suspendsAfter: (lostRounds, lostRoundsMax) => lostRounds >= lostRoundsMax,
  hindrance: ({ samplesMinimum, agentMinimum }, { samples, agent }) => {
    if (samples < samplesMinimum) return 'declined';
    return agent < agentMinimum ? 'held-back' : null;
  },
  remembersCommands: true,
  promotesOnRollback: true,
  withShareOf: (root, site) =>
    root.versions
      .map(({ version }) => version)
      .filter((version) => shareOf(root, version).has(site)),
  addedToDeadline: (downMs) => downMs,
  answersAfterWrite: true,
  publishesInOneWrite: true,
  startsFrom: (known, { base, baseDigest }) => known[base] === baseDigest,
  holdsWhatWasWithdrawn: true,
  asksAfterHeldBack: true,
  isNext: (own, next) => next.version === own.version + 1 && next.previousDigest === own.digest,
  asksAgain: () => true,
  asksUnprompted: true,
  resumed: (sealed) => sealed,
  rangesToSend: (count, acknowledged) =>
    Array.from({ length: count }, (_, index) => index).filter(
      (index) => !acknowledged.includes(index),
    ),
  resumesAccepted: true,
};
