/** How `melo admin watch` writes for people: one frame of everything, or a line for each change. */
import type { WatchChange, WatchedFigures, WatchedMember, WatchedTask } from './watch-view.ts';
import {
  formatDistance,
  formatDuration,
  formatFigure,
  formatShare,
  formatTable,
  formatUtc,
} from './text.ts';

/** How fresh what is shown is. */
export interface Freshness {
  /** `live`: told of changes; `polling`: looked at now and then; `stale`: the last look failed. */
  readonly state: 'live' | 'polling' | 'stale';
  /** Of `stale` the last look that worked, else when it became so. */
  readonly sinceMs: number;
  readonly reason: string | null;
}

/** Say how fresh it is. */
export function describeFreshness(
  { state, sinceMs, reason }: Freshness,
  { nowMs, intervalMs }: { readonly nowMs: number; readonly intervalMs: number },
): string {
  const why = reason === null ? '' : `: ${reason}`;
  if (state === 'live') return 'live';
  if (state === 'polling') return `looked at every ${formatDuration(intervalMs)}${why}`;
  return `STALE since ${formatUtc(sinceMs)} (${formatDistance(sinceMs, nowMs)})${why}`;
}

const isOver = ({ status }: WatchedTask): boolean =>
  status === 'finished' || status === 'cancelled';

/** Everything, as lines. */
export function frameOf(
  tasks: readonly WatchedTask[],
  heading: string,
  nowMs: number,
): readonly string[] {
  if (tasks.length === 0) return [heading, '', 'no tasks yet'];
  const isAlone = tasks.length === 1;
  return [heading, ...tasks.flatMap((task) => ['', ...taskLines(task, nowMs, isAlone)])];
}

function taskLines(task: WatchedTask, nowMs: number, isAlone: boolean): readonly string[] {
  const { status, latestVersion, rounds, title, reason, round, members, figures } = task;
  const lines = [
    `${task.task}  ${status}, version ${latestVersion} of ${rounds}  ${title}`,
    ...(reason === null ? [] : [`  ${reason}`]),
  ];
  const shown = isAlone || !isOver(task);
  if (shown && round !== null) {
    const isSettled = round.phase === 'published' || round.phase === 'abandoned';
    const attempt = round.attempt === 1 ? '' : `, attempt ${round.attempt}`;
    const deadline = isSettled ? '' : `, deadline ${formatDistance(round.deadlineAtMs, nowMs)}`;
    lines.push(`  round ${round.round}${attempt}: ${round.summary}${deadline}`);
  }
  if (shown) lines.push(...memberTable(members, nowMs).map((line) => `  ${line}`));
  if (figures !== null) lines.push(`  ${describeFigures(figures)}`);
  return lines;
}

function memberTable(members: readonly WatchedMember[], nowMs: number): readonly string[] {
  const headings = ['MEMBER', 'STATUS', 'DOING', 'PROGRESS', 'IMAGES', 'HEARTBEAT', 'REASON'];
  const rows = members.map((member) => [
    member.site,
    `${member.status}${member.isExcluded ? ', OUT' : ''}`,
    member.doing ?? '',
    formatShare(member.progress),
    member.samples === null ? '' : String(member.samples),
    describeHeartbeat(member, nowMs),
    member.reason ?? '',
  ]);
  return formatTable(headings, rows).split('\n');
}

function describeHeartbeat(member: WatchedMember, nowMs: number): string {
  const { heartbeat, heartbeatAtMs, isConnected } = member;
  if (heartbeatAtMs === null) return 'never';
  const age = formatDistance(heartbeatAtMs, nowMs);
  if (!isConnected) return `${age}, not connected`;
  return heartbeat === 'fresh' ? age : `${age}, ${heartbeat}`;
}

function describeFigures(figures: WatchedFigures): string {
  const { version, sites, images, macroAuc, accuracy, loss } = figures;
  return `version ${version}: macro AUC ${formatFigure(macroAuc)}, accuracy ${formatFigure(accuracy)}, loss ${formatFigure(loss)}, ${images} images at ${sites} sites`;
}

/** One change in a line. */
export function describeChange(change: WatchChange, nowMs: number): string {
  switch (change.event) {
    case 'task': {
      const { task, status, latestVersion, rounds, reason } = change;
      const why = reason === null ? '' : `: ${reason}`;
      return `${task} ${status}, version ${latestVersion} of ${rounds}${why}`;
    }
    case 'round':
      return `${change.task} round ${change.round}: ${change.summary}`;
    case 'member': {
      const where = change.round === null ? '' : ` round ${change.round}`;
      const parts = [
        `${change.status}${change.isExcluded ? ', OUT' : ''}`,
        ...(change.doing === null
          ? []
          : [`${change.doing} ${formatShare(change.progress)}`.trim()]),
        `heard ${describeHeartbeat(change, nowMs)}`,
        ...(change.reason === null ? [] : [change.reason]),
      ];
      return `${change.task}${where} ${change.site}: ${parts.join('; ')}`;
    }
    case 'figures':
      return `${change.task} ${describeFigures(change)}`;
  }
}
