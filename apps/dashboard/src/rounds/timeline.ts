/** What each site did in a round and how long, out of the round's events. */
import type { RoundDetail } from '../api/detail-schemas.ts';

/** What a site does until the next thing happens. */
export type Doing = 'waiting' | 'ready' | 'training' | 'uploading';

/** A span of one site's time in a round. */
export interface Span {
  readonly doing: Doing;
  readonly fromMs: number;
  readonly toMs: number;
}

/** One site's time in a round. */
export interface TimelineRow {
  readonly site: string;
  readonly status: string;
  readonly spans: readonly Span[];
  /** When it reported, declined, withdrew or was rejected; null where nothing of the kind happened. */
  readonly endedAtMs: number | null;
}

/** A round's time by site. */
export interface Timeline {
  readonly fromMs: number;
  readonly toMs: number;
  readonly rows: readonly TimelineRow[];
}

/** What begins with which event. */
const beginnings: readonly (readonly [type: string, doing: Doing])[] = [
  ['accepted', 'ready'],
  ['training-started', 'training'],
  ['upload-begun', 'uploading'],
];
const endings = new Set(['reported', 'declined', 'withdrawn', 'rejected']);

/** Make the timeline of a round; one that is open ends now. */
export function timelineOf(round: RoundDetail, nowMs: number): Timeline {
  const { openedAtMs: fromMs, settledAtMs, events, members } = round;
  const toMs = Math.max(fromMs + 1, settledAtMs ?? nowMs);
  const rows = members.map(({ site, status }) => {
    const own = events.filter(({ event }) => event.site === site);
    const timeOf = (type: string) => own.find(({ event }) => event.type === type)?.atMs;
    // The last word counts: what was rejected may be sent again.
    const endedAtMs = own.findLast(({ event }) => endings.has(event.type))?.atMs ?? null;
    const begun = beginnings.flatMap(([type, doing]) => {
      const atMs = timeOf(type);
      return atMs === undefined ? [] : [{ doing, atMs }];
    });
    const marks = [{ doing: 'waiting', atMs: fromMs } as const, ...begun];
    const spans = marks
      .map(({ doing, atMs }, index) => ({
        doing,
        fromMs: atMs,
        toMs: Math.min(marks[index + 1]?.atMs ?? endedAtMs ?? toMs, toMs),
      }))
      .filter((span) => span.toMs > span.fromMs);
    return { site, status, spans, endedAtMs };
  });
  return { fromMs, toMs, rows };
}

/** Milliseconds of one kind in a row; null where there were none. */
export function spentMs({ spans }: TimelineRow, doing: Doing): number | null {
  const spent = spans
    .filter((span) => span.doing === doing)
    .reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  return spent === 0 ? null : spent;
}
