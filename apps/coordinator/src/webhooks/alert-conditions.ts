/** What people should know that no event tells: decided from what is seen now and from what held before. */
import type { DiskView } from '../operations/operations.contract.ts';
import type { SiteRecord } from '../sites/roster.service.ts';
import type { AlertKind, ConditionKind } from './webhooks.contract.ts';

/** Something that people should know. No text of a person is in it but names that an administrator gave. */
export interface Alert<Kind = AlertKind> {
  readonly kind: Kind;
  /** What it is about, e.g. `site:north`; of one kind and subject no more than one holds at a time. */
  readonly subject: string;
  /** In a sentence, for people. */
  readonly summary: string;
  /** The same in numbers, for programs. */
  readonly details: Readonly<Record<string, number>>;
}

/** Something that lasts until it is over. */
export type Condition = Alert<ConditionKind>;

/** Names a condition among those that hold. */
export const conditionKey = ({ kind, subject }: Pick<Condition, 'kind' | 'subject'>): string =>
  `${kind} ${subject}`;

/** A site as far as it matters here. */
export type ObservedSite = Pick<SiteRecord, 'site' | 'status' | 'lastSeenAtMs' | 'enrolledAtMs'> & {
  readonly isConnected: boolean;
};

/** What is seen now. */
export interface Observed {
  readonly nowMs: number;
  /** When this process started: it heard of nobody earlier. */
  readonly startedAtMs: number;
  readonly sites: readonly ObservedSite[];
  readonly disk: DiskView;
  readonly siteSilentMs: number;
  readonly keyAgeMaxMs: number;
}

const minuteMs = 60_000;
const dayMs = 24 * 3_600_000;
/** An alert of the disk is over once there is so much more than the reserve, so that it does not come and go. */
const roomShare = 1.1;

/** What holds now; `held` names what held at the last look, of which some ends later than it would begin. */
export function holdingAlerts(observed: Observed, held: ReadonlySet<string>): Condition[] {
  const active = observed.sites.filter(({ status }) => status === 'active');
  return [
    ...active.map((site) => silence(site, observed, held)),
    ...active.map((site) => oldKeys(site, observed)),
    lowDisk(observed, held),
  ].filter((alert) => alert !== null);
}

/**
 * An active site without a connection, one that was heard of before. Time that the coordinator itself was down does not count;
 * once told, it holds until the site is back.
 */
function silence(
  { site, isConnected, lastSeenAtMs }: ObservedSite,
  { nowMs, startedAtMs, siteSilentMs }: Observed,
  held: ReadonlySet<string>,
): Condition | null {
  if (isConnected || lastSeenAtMs === null) return null;
  const kind = 'site-silent';
  const subject = `site:${site}`;
  const silentMs = nowMs - Math.max(lastSeenAtMs, startedAtMs);
  if (silentMs < siteSilentMs && !held.has(conditionKey({ kind, subject }))) return null;
  const silentMinutes = Math.max(0, Math.floor(silentMs / minuteMs));
  const summary = `Site ${site} has had no connection for ${silentMinutes} minutes or more.`;
  return { kind, subject, summary, details: { silentMinutes } };
}

/**
 * Keys of an active site, by the time since it enrolled with them. The coordinator's own keys never change, so nobody is told of
 * their age.
 */
function oldKeys(
  { site, enrolledAtMs }: ObservedSite,
  { nowMs, keyAgeMaxMs }: Observed,
): Condition | null {
  if (enrolledAtMs === null || nowMs - enrolledAtMs < keyAgeMaxMs) return null;
  const ageDays = Math.floor((nowMs - enrolledAtMs) / dayMs);
  const summary = `Site ${site} enrolled with its keys ${ageDays} days ago: give it a code to enrol with new ones.`;
  return { kind: 'key-old', subject: `site:${site}`, summary, details: { ageDays } };
}

function lowDisk({ disk }: Observed, held: ReadonlySet<string>): Condition | null {
  const { freeBytes, reserveBytes } = disk;
  const kind = 'disk-low';
  const subject = 'coordinator';
  const wasLow = held.has(conditionKey({ kind, subject }));
  if (freeBytes >= reserveBytes * (wasLow ? roomShare : 1)) return null;
  const summary = `The coordinator's disk has ${freeBytes} bytes free, ${reserveBytes} are kept back: below them no round opens and no upload is taken.`;
  return { kind, subject, summary, details: { freeBytes, reserveBytes } };
}

/** An attempt at a round that was abandoned. Its reason may be a person's words, so it is left out. */
export function abandonedRound({
  task,
  round,
  attempt,
}: {
  readonly task: string;
  readonly round: number;
  readonly attempt: number;
}): Alert {
  const summary = `Attempt ${attempt} at round ${round} of task ${task} was abandoned: see melo admin rounds show ${task} ${round}.`;
  return {
    kind: 'round-abandoned',
    subject: `task:${task}`,
    summary,
    details: { round, attempt },
  };
}

/** The sentence that goes with the end of an alert. */
export function resolvedSummary({ kind, subject }: Pick<Condition, 'kind' | 'subject'>): string {
  const name = subject.slice(subject.indexOf(':') + 1);
  switch (kind) {
    case 'site-silent':
      return `Site ${name} is connected again, or takes part no more.`;
    case 'key-old':
      return `Site ${name} has new keys, or takes part no more.`;
    case 'disk-low':
      return "The coordinator's disk has room again.";
  }
}
