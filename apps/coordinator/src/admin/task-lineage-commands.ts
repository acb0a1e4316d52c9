/** `melo admin tasks rerun|rollback|schedule`: which version a task goes on from, and when. */
import type { Command } from 'commander';
import { request } from '#api';
import { InputError } from '#core/errors';
import { taskViewSchema, type ScheduleView, type TaskView } from '../tasks/tasks.contract.ts';
import { scheduleRulesSchema, type ScheduleRules } from '../tasks/task-schedule.ts';
import { type AdminContext, runAdmin } from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { revisionOf, withRevision, type RevisionOptions } from './revision-option.ts';
import { formatTime, parseNumber } from './text.ts';

type RerunOptions = RevisionOptions & {
  readonly from: string;
  readonly rounds?: string;
  readonly reason: string;
};
type RollbackOptions = RevisionOptions & {
  readonly to: string;
  readonly rounds?: string;
  readonly reason: string;
};
type ScheduleOptions = RevisionOptions & {
  readonly cron?: string;
  readonly timeZone?: string;
  readonly sitesReady?: string;
  readonly none?: true;
};

const roundsText =
  'rounds to make; by default as many as the definition has after that version, at least one';

/** Add the commands of a task's lineage and schedule. */
export function addTaskLineageCommands(
  add: (name: string, description: string) => Command,
  environment: AdminEnvironment,
): void {
  withRevision(
    add('rerun <task>', 'let the next round start from an earlier version, or make more rounds'),
  )
    .requiredOption('--from <version>', 'version to go on from; the latest one makes more rounds')
    .requiredOption('--reason <text>', 'why; it stays in the record')
    .option('--rounds <number>', roundsText)
    .addHelpText('after', rerunHelp)
    .action((task: string, { from, rounds, reason, ...options }: RerunOptions) =>
      runAdmin(options, environment, async (context) => {
        const fromVersion = parseNumber('--from', from);
        const body = { fromVersion, reason, ...moreRounds(rounds), ...revisionOf(options) };
        const view = await context.client.send(
          request('POST', '/v1/tasks/{task}/rerun', taskViewSchema, { path: { task }, body }),
        );
        showRerun(context, view);
      }),
    );
  withRevision(
    add('rollback <task>', 'promote an earlier version and let the next round start from it'),
  )
    .requiredOption('--to <version>', 'version to go back to')
    .requiredOption('--reason <text>', 'why; it stays in the record')
    .option('--rounds <number>', roundsText)
    .addHelpText('after', rerunHelp)
    .action((task: string, { to, rounds, reason, ...options }: RollbackOptions) =>
      runAdmin(options, environment, async (context) => {
        const toVersion = parseNumber('--to', to);
        const body = { toVersion, reason, ...moreRounds(rounds), ...revisionOf(options) };
        const view = await context.client.send(
          request('POST', '/v1/tasks/{task}/rollback', taskViewSchema, { path: { task }, body }),
        );
        showRerun(context, view);
      }),
    );
  withRevision(add('schedule <task>', 'say when rounds may open'))
    .option('--cron <fields>', "minute, hour, day, month, weekday, e.g. '0 1 * * *'")
    .option('--time-zone <zone>', 'zone of --cron, e.g. Europe/Berlin; UTC by default')
    .option('--sites-ready <number>', 'members that must be connected and able to take part')
    .option('--none', 'open each round as soon as the one before has ended')
    .addHelpText('after', scheduleHelp)
    .action((task: string, options: ScheduleOptions) =>
      runAdmin(options, environment, async (context) => {
        const body = { rules: rulesOf(options), ...revisionOf(options) };
        const view = await context.client.send(
          request('POST', '/v1/tasks/{task}/schedule', taskViewSchema, { path: { task }, body }),
        );
        const text = describeSchedule(view.schedule, environment.nowMs());
        context.show(view, `${task}: ${text === '' ? 'each round opens at once' : text}`);
      }),
    );
}

const rerunHelp = `
Nothing is lost: every version stays, and the next one has the next number. An open round that starts from another
version is abandoned; a task that had ended runs again; a paused one stays paused. What people should use is another
matter: see "melo admin adapters promote".`;

const scheduleHelp = `
Each time of --cron lets one attempt open, then or later: one that passed while a round ran, while too few sites were
ready or while the coordinator was down is made up for once. With both options both must hold.`;

function moreRounds(rounds: string | undefined): { rounds?: number } {
  return rounds === undefined ? {} : { rounds: parseNumber('--rounds', rounds) };
}

function showRerun(context: AdminContext, view: TaskView): void {
  const { task, status, latestVersion, nextBaseVersion, rounds, promotedVersion } = view;
  const promoted = promotedVersion === null ? '' : `; version ${promotedVersion} is promoted`;
  context.show(
    view,
    `${task} is ${status}: round ${latestVersion + 1} starts from version ${nextBaseVersion}, up to version ${rounds}${promoted}`,
  );
  if (status === 'paused') context.hint(`next: melo admin tasks resume ${task}`);
}

function rulesOf({ cron, timeZone, sitesReady, none }: ScheduleOptions): ScheduleRules | null {
  const given = {
    ...(cron === undefined ? {} : { cron }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(sitesReady === undefined ? {} : { sitesReady: parseNumber('--sites-ready', sitesReady) }),
  };
  if (none === true && Object.keys(given).length === 0) return null;
  const parsed = none === true ? undefined : scheduleRulesSchema.safeParse(given);
  if (parsed?.success === true) return parsed.data;
  const issue = parsed?.error.issues[0];
  const what = issue === undefined ? '--none alone' : `${issue.path.join('.')} ${issue.message}`;
  throw new InputError('USAGE', `tasks schedule: ${what.trim()}; see --help`);
}

/** A schedule in a line: its rules, the next time, who is ready; an empty text for none. */
export function describeSchedule(schedule: ScheduleView | null, nowMs: number): string {
  if (schedule === null) return '';
  const { rules, nextAtMs, sitesReady, isDue } = schedule;
  const zone = rules.timeZone ?? 'UTC';
  const parts = [
    ...(rules.cron === undefined ? [] : [`'${rules.cron}' ${zone}`]),
    ...(nextAtMs === null ? [] : [`next ${formatTime(nextAtMs, nowMs)}`]),
    ...(rules.sitesReady === undefined ? [] : [`${sitesReady} of ${rules.sitesReady} sites ready`]),
    ...(isDue ? ['due'] : []),
  ];
  return parts.join(', ');
}
