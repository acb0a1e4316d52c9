/** What `melo admin watch` shows: tasks, rounds, members and figures as they are, and what changed since the last look. */
import { missingMembers } from '#core/protocol';
import type { VersionEvaluation } from '../evaluation/evaluation.contract.ts';
import type { SiteView } from '../sites/sites.contract.ts';
import type { TaskView } from '../tasks/tasks.contract.ts';

/** How lately a site was heard of, as the dashboard says it. */
export type HeartbeatLevel = 'fresh' | 'late' | 'silent' | 'none';

/** A member of the current round; before the first round, of the task. */
export interface WatchedMember {
  readonly site: string;
  /** In the round; before the first round that of the site. */
  readonly status: string;
  /** Why it is out, or what holds it back. */
  readonly reason: string | null;
  /** Whether nothing of it comes into the version. */
  readonly isExcluded: boolean;
  /** What its last heartbeat says that it does for this task. */
  readonly doing: string | null;
  readonly progress: number | null;
  readonly samples: number | null;
  readonly isConnected: boolean;
  readonly heartbeatAtMs: number | null;
  readonly heartbeat: HeartbeatLevel;
}

/** Figures of the newest version that was evaluated. */
export interface WatchedFigures {
  readonly version: number;
  readonly sites: number;
  readonly images: number;
  readonly macroAuc: number | null;
  readonly accuracy: number | null;
  readonly loss: number | null;
}

/** One task. */
export interface WatchedTask {
  readonly task: string;
  readonly title: string;
  readonly status: string;
  /** Why it stands, or why no round opens. */
  readonly reason: string | null;
  readonly latestVersion: number;
  readonly rounds: number;
  readonly round: {
    readonly round: number;
    readonly attempt: number;
    readonly phase: string;
    readonly deadlineAtMs: number;
    readonly summary: string;
  } | null;
  readonly members: readonly WatchedMember[];
  readonly figures: WatchedFigures | null;
}

const lateMs = 2 * 60_000;
const silentMs = 10 * 60_000;

function heartbeatLevel(site: SiteView | undefined, nowMs: number): HeartbeatLevel {
  if (site === undefined || site.lastSeenAtMs === null) return 'none';
  const ageMs = nowMs - site.lastSeenAtMs;
  if (ageMs >= silentMs) return 'silent';
  return ageMs >= lateMs || !site.isConnected ? 'late' : 'fresh';
}

/** Put together what is shown of one task. */
export function watchedTask(
  view: TaskView,
  sites: ReadonlyMap<string, SiteView>,
  figures: WatchedFigures | null,
  nowMs: number,
): WatchedTask {
  const { task, title, status, latestVersion, rounds, currentRound, openingRefusal } = view;
  const reason = view.reason ?? (status === 'running' ? (openingRefusal?.message ?? null) : null);
  const excluded = new Set(
    (currentRound === null ? [] : missingMembers(currentRound)).map(({ site }) => site),
  );
  const inRounds = new Map(currentRound?.members.map((member) => [member.site, member]));
  const planned = currentRound === null ? view.definition.members : [...inRounds.keys()];
  const members = planned.map((name): WatchedMember => {
    const site = sites.get(name);
    const heartbeat = site?.heartbeat?.task === task ? site.heartbeat : null;
    const inRound = inRounds.get(name);
    return {
      site: name,
      status: inRound?.status ?? site?.status ?? 'not known',
      reason: inRound?.reason ?? null,
      isExcluded: excluded.has(name),
      doing: heartbeat?.phase ?? null,
      progress: inRound?.progress ?? heartbeat?.progress ?? null,
      samples: inRound?.samples ?? null,
      isConnected: site?.isConnected ?? false,
      heartbeatAtMs: site?.lastSeenAtMs ?? null,
      heartbeat: heartbeatLevel(site, nowMs),
    };
  });
  return {
    ...{ task, title, status, reason, latestVersion, rounds, members, figures },
    round:
      currentRound === null
        ? null
        : {
            round: currentRound.round,
            attempt: currentRound.attempt,
            phase: currentRound.phase,
            deadlineAtMs: currentRound.deadlineAtMs,
            summary: currentRound.summary,
          },
  };
}

/** Figures of the newest version that any site evaluated; null where there are none. */
export function newestFigures(evaluations: readonly VersionEvaluation[]): WatchedFigures | null {
  const newest = evaluations
    .filter(({ pooled }) => pooled !== null)
    .toSorted((left, right) => right.version - left.version)[0];
  if (newest === undefined || newest.pooled === null) return null;
  const { count, macroAuc, accuracy, loss } = newest.pooled;
  const { version, sites } = newest;
  return { version, sites: sites.length, images: count, macroAuc, accuracy, loss };
}

/** One thing as it is now, because it is new or became so. */
export type WatchChange =
  | ({ readonly event: 'task' } & Omit<WatchedTask, 'round' | 'members' | 'figures'>)
  | ({ readonly event: 'round'; readonly task: string } & NonNullable<WatchedTask['round']>)
  | ({
      readonly event: 'member';
      readonly task: string;
      readonly round: number | null;
    } & WatchedMember)
  | ({ readonly event: 'figures'; readonly task: string } & WatchedFigures);

interface Part {
  /** Differs where the change is worth telling. */
  readonly mark: string;
  readonly change: WatchChange;
}

/** The same by what it is about. */
export type WatchParts = ReadonlyMap<string, Part>;

/** Take what is shown apart into what may change by itself. */
export function partsOf(tasks: readonly WatchedTask[]): WatchParts {
  const parts = new Map<string, Part>();
  for (const { round, members, figures, ...rest } of tasks) {
    const { task } = rest;
    const add = (key: string, change: WatchChange, mark: unknown = change): void => {
      parts.set(`${task}/${key}`, { mark: JSON.stringify(mark), change });
    };
    add('task', { event: 'task', ...rest });
    if (round !== null) add('round', { event: 'round', task, ...round });
    for (const member of members) {
      const { site, status, reason, isExcluded, doing, isConnected, heartbeat } = member;
      // A heartbeat every few seconds is no news; that it stays away is, and every tenth of the work.
      const tenths = member.progress === null ? null : Math.floor(member.progress * 10);
      const mark = [
        round?.round,
        status,
        reason,
        isExcluded,
        doing,
        isConnected,
        heartbeat,
        tenths,
      ];
      const change = { event: 'member', task, round: round?.round ?? null, ...member } as const;
      add(`member/${site}`, change, mark);
    }
    if (figures !== null) add('figures', { event: 'figures', task, ...figures });
  }
  return parts;
}

/** What is new or became otherwise, in the order in which it is shown. */
export function changesBetween(before: WatchParts, now: WatchParts): readonly WatchChange[] {
  return [...now]
    .filter(([key, { mark }]) => before.get(key)?.mark !== mark)
    .map(([, { change }]) => change);
}
