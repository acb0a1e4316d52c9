/** `melo admin tasks`: write a definition, create, start, pause, resume, cancel, watch. */
import type { Command } from 'commander';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { request } from '#api';
import { InputError } from '#core/errors';
import { taskDefinitionSchema } from '#core/protocol';
import { evaluationRoutes, type VersionEvaluation } from '../evaluation/evaluation.contract.ts';
import { taskViewSchema, type TaskView } from '../tasks/tasks.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  tellFailure,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { addEvaluationCommands } from './evaluation-commands.ts';
import { moreHint, wantedOf, withLimit, type ListOptions } from './list-options.ts';
import { revisionOf, withRevision, type RevisionOptions } from './revision-option.ts';
import { describeRound, formatMembers } from './rounds-text.ts';
import { taskExample } from './task-example.ts';
import { addTaskLineageCommands, describeSchedule } from './task-lineage-commands.ts';
import { taskPages } from './whole-lists.ts';
import { formatFigure, formatPairs, formatTable, formatTime } from './text.ts';
import { valueOf } from './yaml-value.ts';

type MaybeReasonOptions = RevisionOptions & { readonly reason?: string };
type CreateOptions = ConnectionOptions & { readonly start: boolean };

/** Add the commands of tasks to `admin`. */
export function addTasksCommands(admin: Command, environment: AdminEnvironment): void {
  const tasks = admin.command('tasks').description('what is trained: define, start, pause, watch');
  const add = (name: string, description: string) =>
    withConnection(tasks.command(name).description(description), environment);

  tasks
    .command('example')
    .description('print a task definition with comments, to be saved and edited')
    .action(() => {
      environment.print(taskExample());
    });
  withLimit(add('list', 'list every task')).action((options: ListOptions) =>
    runAdmin(options, environment, (context) => listTasks(context, wantedOf(options))),
  );
  add('show <task>', 'show one task: its round, its members, its figures').action(
    (task: string, options: ConnectionOptions) =>
      runAdmin(options, environment, (context) => showTask(context, task)),
  );
  add('create <file>', 'create a task from a YAML or JSON file; it starts at once')
    .option('--no-start', 'create it without starting')
    .action(async (file: string, options: CreateOptions) => {
      try {
        const definition = await readDefinition(environment, file);
        await runAdmin(options, environment, (context) =>
          createTask(context, definition, options.start),
        );
      } catch (error) {
        tellFailure(error, environment, options.json === true);
      }
    });
  addCommands(add, environment);
  addTaskLineageCommands(add, environment);
  addEvaluationCommands(add, environment);
}

const commandSummaries = {
  start: 'start a task that was created with --no-start',
  pause: 'let the open round end and open no other',
  resume: 'go on with a paused or failed task',
  cancel: 'abandon the open round and end the task',
} as const;

function addCommands(
  add: (name: string, description: string) => Command,
  environment: AdminEnvironment,
): void {
  for (const name of ['start', 'resume'] as const) {
    withRevision(add(`${name} <task>`, commandSummaries[name])).action(
      (task: string, options: RevisionOptions) =>
        runAdmin(options, environment, async (context) => {
          const view = await context.client.send(
            request('POST', `/v1/tasks/{task}/${name}`, taskViewSchema, {
              path: { task },
              body: revisionOf(options),
            }),
          );
          context.show(view, `${task} is ${view.status}`);
        }),
    );
  }
  for (const name of ['pause', 'cancel'] as const) {
    withRevision(add(`${name} <task>`, commandSummaries[name]))
      .option('--reason <text>', 'why; it stays in the record')
      .action((task: string, { reason, ...options }: MaybeReasonOptions) =>
        runAdmin(options, environment, async (context) => {
          const why = reason === undefined ? {} : { reason };
          const view = await context.client.send(
            request('POST', `/v1/tasks/{task}/${name}`, taskViewSchema, {
              path: { task },
              body: { ...why, ...revisionOf(options) },
            }),
          );
          context.show(view, `${task} is ${view.status}`);
        }),
      );
  }
}

/** Read a definition, naming the key and the line of what is wrong. */
async function readDefinition(
  environment: AdminEnvironment,
  file: string,
): Promise<z.input<typeof taskDefinitionSchema>> {
  const text = await environment.readText(file).catch((cause: unknown) => {
    throw new InputError(
      'USAGE',
      `${file}: expected a task definition, the file cannot be read; "melo admin tasks example" prints one`,
      {},
      { cause },
    );
  });
  const document = parseDocument(text, { prettyErrors: true });
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) throw definitionError(file, syntaxError.message);
  const value = valueOf(document, (problem) => definitionError(file, problem));
  const parsed = taskDefinitionSchema.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `  ${issue.path.join('.') || 'the file'}: ${issue.message}`,
    );
    throw definitionError(file, `\n${problems.join('\n')}`);
  }
  return parsed.data;
}

function definitionError(file: string, problem: string): InputError {
  return new InputError(
    'CONFIG_INVALID',
    `${file}: expected a task definition, got: ${problem}\ncompare with "melo admin tasks example"`,
  );
}

async function createTask(
  context: AdminContext,
  definition: z.input<typeof taskDefinitionSchema>,
  isStarted: boolean,
): Promise<void> {
  const view = await context.client.send(
    request('POST', '/v1/tasks', taskViewSchema, {
      query: { start: isStarted ? 'true' : 'false' },
      body: definition,
    }),
  );
  context.show(view, `${view.task} is ${view.status}: ${describeProgress(view)}`);
  context.hint(
    isStarted
      ? `next: melo admin tasks show ${view.task}`
      : `next: melo admin tasks start ${view.task}`,
  );
}

async function listTasks(context: AdminContext, wanted: number): Promise<void> {
  const { items: tasks, hasMore } = await context.client.list(
    taskPages,
    (page) => page.tasks,
    wanted,
  );
  const answer = { tasks, hasMore };
  if (tasks.length === 0) {
    context.show(answer, 'no tasks yet');
    context.hint(
      'next: melo admin tasks example > task.yaml, then melo admin tasks create task.yaml',
    );
    return;
  }
  const nowMs = context.environment.nowMs();
  const rows = tasks.map((task) => [
    task.task,
    task.status,
    describeProgress(task),
    task.title,
    task.currentRound === null ? '' : describeRound(task.currentRound, nowMs),
  ]);
  context.show(answer, formatTable(['TASK', 'STATUS', 'VERSION', 'TITLE', 'ROUND'], rows));
  if (hasMore) context.hint(moreHint);
}

/** A task that is finished is no plain success where a version lacks a planned site. */
function describeProgress({ latestVersion, rounds, incompleteRounds }: TaskView): string {
  const lacking =
    incompleteRounds.length === 0 ? '' : `, ${incompleteRounds.length} without all sites`;
  return `version ${latestVersion} of ${rounds}${lacking}`;
}

/** Said only where it is not what everybody expects. */
function describeNextBase({ nextBaseVersion, latestVersion }: TaskView): string {
  return nextBaseVersion === latestVersion ? '' : `starts from version ${nextBaseVersion}`;
}

function describeIncomplete({ task, incompleteRounds }: TaskView): string {
  if (incompleteRounds.length === 0) return '';
  const numbers = incompleteRounds.slice(0, 20).join(', ');
  const others = incompleteRounds.length > 20 ? ', ...' : '';
  return `${incompleteRounds.length === 1 ? 'round' : 'rounds'} ${numbers}${others} published without all planned sites: melo admin rounds list ${task}`;
}

async function showTask(context: AdminContext, task: string): Promise<void> {
  const path = { task };
  const view = await context.client.send(
    request('GET', '/v1/tasks/{task}', taskViewSchema, { path }),
  );
  const { evaluations } = await context.client.send(
    request('GET', '/v1/tasks/{task}/evaluations', evaluationRoutes.list.response, { path }),
  );
  const nowMs = context.environment.nowMs();
  const { definition, currentRound } = view;
  const facts = formatPairs([
    ['task', view.task],
    ['title', view.title],
    ['status', view.status],
    ['reason', view.reason ?? ''],
    ['opening', view.openingRefusal?.message ?? ''],
    ['version', describeProgress(view)],
    ['incomplete', describeIncomplete(view)],
    ['promoted', view.promotedVersion === null ? '' : `version ${view.promotedVersion}`],
    ['next round', describeNextBase(view)],
    ['schedule', describeSchedule(view.schedule, nowMs)],
    ['created', formatTime(view.createdAtMs, nowMs)],
    ['revision', view.revision],
    ['backbone', `${definition.backbone.name} ${definition.backbone.fingerprint}`],
    ['classes', definition.classes.join(', ')],
    ['rank', `${definition.rank}, alpha ${definition.alpha}`],
    ['round', currentRound === null ? '' : describeRound(currentRound, nowMs)],
  ]);
  const parts = [facts];
  if (currentRound !== null) parts.push(formatMembers(currentRound.members));
  if (evaluations.length > 0) parts.push(formatEvaluations(evaluations));
  context.show({ ...view, evaluations }, parts.join('\n\n'));
}

function formatEvaluations(evaluations: readonly VersionEvaluation[]): string {
  const headings = ['VERSION', 'SITES', 'IMAGES', 'ACCURACY', 'BALANCED', 'MACRO AUC', 'LOSS'];
  const rows = evaluations.map(({ version, pooled, sites }) => [
    String(version),
    String(sites.length),
    pooled === null ? 'not evaluated yet' : String(pooled.count),
    pooled === null ? '' : formatFigure(pooled.accuracy),
    pooled === null ? '' : formatFigure(pooled.balancedAccuracy),
    pooled === null ? '' : formatFigure(pooled.macroAuc),
    pooled === null ? '' : formatFigure(pooled.loss),
  ]);
  return formatTable(headings, rows);
}
