/** When the rounds of a task may open: at times of a calendar, and once enough sites are ready. Pure. */
import { Cron } from 'croner';
import { z } from 'zod';
import { assert } from '#core/errors';
import { limits } from '#core/protocol';

const patternLengthMax = 120;
const timeZoneLengthMax = 64;

/** The calendar of a pattern; it runs nothing. */
function calendar(pattern: string, timeZone: string): Cron {
  return new Cron(pattern, { timezone: timeZone, mode: '5-part', paused: true });
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false; // a RangeError: no such zone
  }
}

/** Whether a pattern is one and names a time that ever comes. */
function isPattern(pattern: string): boolean {
  try {
    return calendar(pattern, 'UTC').nextRun(new Date(0)) !== null;
  } catch {
    return false; // the message of the schema shows how a pattern looks
  }
}

/** When rounds may open, as it is written; a task without it goes on at once. */
export const scheduleRulesSchema = z
  .strictObject({
    /** Minute, hour, day of month, month, day of week. */
    cron: z
      .string()
      .max(patternLengthMax)
      .refine(isPattern, "expected five fields that name a time, e.g. '0 1 * * *' for one at night")
      .exactOptional(),
    /** Zone of the calendar, e.g. Europe/Berlin; UTC where it is left out. */
    timeZone: z
      .string()
      .min(1)
      .max(timeZoneLengthMax)
      .refine(isTimeZone, 'expected a time zone, e.g. Europe/Berlin')
      .exactOptional(),
    /** Members that must be connected, approve the task and have its backbone before a round opens. */
    sitesReady: z.number().int().min(1).max(limits.membersMax).exactOptional(),
  })
  .refine(({ cron, sitesReady }) => cron !== undefined || sitesReady !== undefined, {
    message: 'expected cron or sitesReady',
  })
  .refine(({ cron, timeZone }) => timeZone === undefined || cron !== undefined, {
    path: ['timeZone'],
    message: 'expected cron beside it',
  });
/** When rounds may open, as it is written. */
export type ScheduleRules = z.infer<typeof scheduleRulesSchema>;

/** The same as it is stored. */
export const taskScheduleSchema = z.strictObject({
  rules: scheduleRulesSchema,
  /** When it was set: times of the calendar before that do not count. */
  setAtMs: z.number().int(),
});
/** A schedule as it is stored. */
export type TaskSchedule = z.infer<typeof taskScheduleSchema>;

/**
 * The next time of the calendar at which an attempt may open; null without a calendar. One that lies behind is due.
 *
 * Each time of the calendar lets one attempt open, then or later: one that passed while a round ran, while too few sites
 * were ready, or while the coordinator was down, is made up for once.
 *
 * @param lastOpenedAtMs - when the last attempt of the task was opened; null before the first
 */
export function nextOpeningAtMs(
  { rules, setAtMs }: TaskSchedule,
  lastOpenedAtMs: number | null,
  nowMs: number,
): number | null {
  if (rules.cron === undefined) return null;
  // A clock that was ahead when the last round opened must not hold the next one for as long.
  const fromMs = Math.min(nowMs, Math.max(setAtMs, lastOpenedAtMs ?? 0));
  const next = calendar(rules.cron, rules.timeZone ?? 'UTC').nextRun(new Date(fromMs));
  assert(next !== null, 'a calendar that was checked when it was set names a next time');
  return next.getTime();
}
