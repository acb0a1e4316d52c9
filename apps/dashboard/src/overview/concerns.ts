/** What needs a person, out of what the coordinator says of sites, tasks and itself. */
import type { Health, Site, Task } from '../api/schemas.ts';
import { formatBytes, formatSpan, plural } from '../common/format.ts';
import type { Place } from '../places.ts';
import { heartbeatAge } from '../sites/heartbeat.ts';

/** `act`: nothing goes on before somebody does something. `look`: it goes on, and somebody should know. */
export type Urgency = 'act' | 'look';

/** One thing that needs a person. */
export interface Concern {
  readonly urgency: Urgency;
  /** What it is about, e.g. the name of a site. */
  readonly about: string;
  readonly text: string;
  /** Where something can be done about it; left out where that is on the coordinator's own machine. */
  readonly to?: Place;
}

/** What is known; what was not read yet is left out. */
export interface Known {
  readonly health: Health | undefined;
  readonly sites: readonly Site[];
  readonly tasks: readonly Task[];
  readonly nowMs: number;
}

/** Tell what needs a person, the urgent first. */
export function concernsOf({ health, sites, tasks, nowMs }: Known): readonly Concern[] {
  const concerns = [
    ...(health === undefined ? [] : concernsOfCoordinator(health)),
    ...concernsOfOpenings(tasks),
    ...sites.flatMap((site) => concernsOfSite(site, nowMs)),
    ...tasks.flatMap(concernsOfTask),
  ];
  return concerns.toSorted((left, right) => rank(left) - rank(right));
}

const rank = ({ urgency }: Concern): number => (urgency === 'act' ? 0 : 1);

function concernsOfCoordinator({ disk }: Health): readonly Concern[] {
  if (!disk.isLow) return [];
  const text = `The disk has ${formatBytes(disk.freeBytes)} free, and ${formatBytes(disk.reserveBytes)} are kept back: no round opens and no upload is taken. Make room in the data folder.`;
  return [{ urgency: 'act', about: 'coordinator', text }];
}

/** Said once, however many tasks it holds back; a full disk is said above. */
function concernsOfOpenings(tasks: readonly Task[]): readonly Concern[] {
  const messages = tasks.map(({ openingRefusal }) => openingRefusal);
  return [...new Map(messages.map((each) => [each?.code, each])).values()].flatMap((refusal) =>
    refusal === null || refusal.code === 'DISK_LOW'
      ? []
      : [{ urgency: 'look', about: 'coordinator', text: refusal.message } as const],
  );
}

function concernsOfSite(site: Site, nowMs: number): readonly Concern[] {
  const { status, reason, lostRounds } = site;
  const shared = { about: site.site, to: { page: 'site', site: site.site } } as const;
  if (status === 'pending') {
    const text = 'It has enrolled and waits for approval: compare its fingerprint.';
    return [{ ...shared, urgency: 'act', text }];
  }
  if (status === 'suspended') {
    return [
      { ...shared, urgency: 'look', text: `It is suspended: ${reason ?? 'no reason given'}.` },
    ];
  }
  if (status !== 'active') return [];
  const { level, atMs } = heartbeatAge(site, nowMs);
  const lost =
    lostRounds === 0
      ? ''
      : ` It lost ${plural(lostRounds, 'round')} in a row; at three it is suspended.`;
  if (level === 'none') return [{ ...shared, urgency: 'look', text: 'Approved, and never heard.' }];
  if (level === 'silent' || !site.isConnected) {
    const ago = formatSpan(nowMs - (atMs ?? nowMs));
    const text = `${site.isConnected ? 'Silent' : 'Not connected'}, last heard ${ago} ago.${lost}`;
    return [{ ...shared, urgency: level === 'silent' ? 'act' : 'look', text }];
  }
  return lost === '' ? [] : [{ ...shared, urgency: 'look', text: lost.trim() }];
}

function concernsOfTask(task: Task): readonly Concern[] {
  const { status, reason, incompleteRounds } = task;
  const shared = {
    about: task.task,
    to: { page: 'task', task: task.task, section: 'now' },
  } as const;
  const why = reason === null ? '.' : `: ${reason}`;
  if (status === 'failed')
    return [{ ...shared, urgency: 'act', text: `The task has failed${why}` }];
  if (status === 'paused') return [{ ...shared, urgency: 'act', text: `The task is paused${why}` }];
  if (status === 'created') {
    return [{ ...shared, urgency: 'act', text: 'The task was created and not started.' }];
  }
  if (status !== 'running' || incompleteRounds.length === 0) return [];
  const text = `${plural(incompleteRounds.length, 'round was', 'rounds were')} published without all planned sites.`;
  return [{ ...shared, to: { ...shared.to, section: 'rounds' }, urgency: 'look', text }];
}
