/** REST routes of tasks. */
import { z } from 'zod';
import {
  adapterVersionSchema,
  limits,
  taskDefinitionSchema,
  taskIdSchema,
  type SiteId,
} from '#core/protocol';
import {
  commandRoles,
  defineRoute,
  readRoles,
  reasonBody,
  scienceRoles,
  taskParams,
  timeMs,
} from '../common/contract.ts';
import { keyText, nextCursor, pageQuery } from '../common/pages.contract.ts';
import { openingRefusalSchema } from '../operations/operations.contract.ts';
import { ownRound, roundViewSchema } from '../rounds/rounds.contract.ts';
import { scheduleRulesSchema } from './task-schedule.ts';

/** Where a task stands. */
export const taskStatusSchema = z.enum([
  'created',
  'running',
  'paused',
  'finished',
  'failed',
  'cancelled',
]);
/** Where a task stands. */
export type TaskStatus = z.infer<typeof taskStatusSchema>;

/** When the next round may open, and what it waits for. */
export const scheduleViewSchema = z.strictObject({
  rules: scheduleRulesSchema,
  /** Time of the calendar from which the next attempt may open; behind the present it is due. Null without a calendar. */
  nextAtMs: timeMs.nullable(),
  /** Members that are connected, approve the task and have its backbone. */
  sitesReady: z.number().int(),
  /** Whether an attempt would open now, were none open. */
  isDue: z.boolean(),
});
/** When the next round may open, and what it waits for. */
export type ScheduleView = z.infer<typeof scheduleViewSchema>;

const revisionSchema = z.string().regex(/^[0-9a-f]{16}$/, 'expected the revision of a task');
/** The revision that was looked at: where another change came first it is refused. */
const ifRevision = revisionSchema.exactOptional();

/** A definition as it is answered, without the rules between its fields: a steward sees its own site alone among the members. */
export const definitionViewSchema = z.strictObject(taskDefinitionSchema.shape);
/** A task as people see it. */
export const taskViewSchema = z.strictObject({
  task: taskIdSchema,
  title: z.string(),
  status: taskStatusSchema,
  /** Why it failed, was paused or cancelled, or ends before its last round; null otherwise. */
  reason: z.string().nullable(),
  /** The newest version; 0 is derived from the public seed. */
  latestVersion: z.number().int(),
  /** The version that people are told to use; null until one was promoted. */
  promotedVersion: z.number().int().nullable(),
  /** The version that the next round starts from: the latest, or an earlier one where the task is run again. */
  nextBaseVersion: z.number().int(),
  /** Rounds in all, those left behind by a re-run too: the task ends with the version of this number. */
  rounds: z.number().int(),
  /** Rounds that were published without all of their planned sites; their summaries say who is missing and why. */
  incompleteRounds: z.array(z.number().int()),
  /** Null where the next round opens when the one before has ended. */
  schedule: scheduleViewSchema.nullable(),
  /** What `ifRevision` is compared with: changes where a person, or a rule of the task, changes what people set. */
  revision: revisionSchema,
  createdAtMs: timeMs,
  definition: definitionViewSchema,
  /** Why the coordinator opens no round of any task now; null where it does. */
  openingRefusal: openingRefusalSchema.nullable(),
  /** The last attempt at the last round that was opened; null before the first. */
  currentRound: roundViewSchema.nullable(),
});
/** A task as people see it. */
export type TaskView = z.infer<typeof taskViewSchema>;

/** A task as the steward of a member site sees it: no word of another site. */
function ownTask(view: TaskView, site: SiteId): TaskView {
  const { definition, currentRound } = view;
  return {
    ...view,
    reason: null,
    definition: { ...definition, members: definition.members.filter((member) => member === site) },
    currentRound: currentRound === null ? null : ownRound(currentRound, site),
  };
}

const command = <Body extends z.ZodRawShape>(
  name: string,
  summary: string,
  body: Body,
  roles = commandRoles,
) =>
  defineRoute({
    method: 'POST',
    path: `/v1/tasks/:task/${name}`,
    summary,
    roles,
    scope: 'tasks',
    params: taskParams,
    body: z.strictObject({ ...body, ifRevision }),
    response: taskViewSchema,
  });
const reason = reasonBody.shape.reason;
const maybeReason = { reason: reason.exactOptional() };
/** Rounds that a re-run makes; as many as the definition has after the version where it is left out, at least one. */
const moreRounds = z.number().int().min(1).max(limits.roundsMax).exactOptional();

/** REST routes of tasks. */
export const taskRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/tasks',
    summary: 'List the tasks by name',
    roles: readRoles,
    query: z.strictObject(pageQuery(z.tuple([keyText]), { byDefault: 100, max: 500 })),
    response: z.strictObject({ tasks: z.array(taskViewSchema), nextCursor }),
    forSteward: ({ tasks, ...page }, site) => ({
      ...page,
      tasks: tasks
        .filter(({ definition }) => definition.members.includes(site))
        .map((task) => ownTask(task, site)),
    }),
  }),
  create: defineRoute({
    method: 'POST',
    path: '/v1/tasks',
    summary: 'Create a task with its version 0; it starts at once unless start=false',
    roles: scienceRoles,
    scope: 'tasks',
    query: z.strictObject({
      start: z.enum(['true', 'false']).default('true').describe('Whether it starts at once.'),
    }),
    body: taskDefinitionSchema,
    response: taskViewSchema,
    status: 201,
    refusals: ['NOT_FOUND', 'ALREADY_EXISTS', 'ADAPTER_SPEC_INVALID'],
  }),
  get: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task',
    summary: 'Show one task',
    roles: readRoles,
    params: taskParams,
    response: taskViewSchema,
    forSteward: ownTask,
  }),
  start: command('start', 'Start a task that was created without starting', {}, scienceRoles),
  pause: command('pause', 'Let the open round end and open no other', maybeReason, scienceRoles),
  resume: command('resume', 'Go on with a paused or failed task', {}, scienceRoles),
  cancel: command('cancel', 'Abandon the open round and end the task', maybeReason),
  promote: command('promote', 'Say which version people should use; null takes that back', {
    version: adapterVersionSchema.nullable(),
    ...maybeReason,
  }),
  rerun: command(
    'rerun',
    'Let the next round start from an earlier version, or make more rounds from the latest',
    { fromVersion: adapterVersionSchema, rounds: moreRounds, reason },
  ),
  rollback: command('rollback', 'Promote an earlier version and let the next round start from it', {
    toVersion: adapterVersionSchema,
    rounds: moreRounds,
    reason,
  }),
  schedule: command(
    'schedule',
    'Say when rounds may open: at times of a calendar, once enough sites are ready; null is at once',
    { rules: scheduleRulesSchema.nullable() },
    scienceRoles,
  ),
} as const;
