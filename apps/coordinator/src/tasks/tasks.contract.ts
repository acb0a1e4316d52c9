/** REST routes of tasks. */
import { z } from 'zod';
import { taskDefinitionSchema, taskIdSchema } from '#core/protocol';
import { commandRoles, defineRoute, readRoles, taskParams, timeMs } from '../common/contract.ts';
import { roundViewSchema } from '../rounds/rounds.contract.ts';

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

/** A task as people see it. */
export const taskViewSchema = z.strictObject({
  task: taskIdSchema,
  title: z.string(),
  status: taskStatusSchema,
  /** Why it failed or was cancelled; null otherwise. */
  reason: z.string().nullable(),
  /** The newest version; 0 is derived from the public seed. */
  latestVersion: z.number().int(),
  /** Rounds planned. */
  rounds: z.number().int(),
  /** Rounds that were published without all of their planned sites; their summaries say who is missing and why. */
  incompleteRounds: z.array(z.number().int()),
  createdAtMs: timeMs,
  definition: taskDefinitionSchema,
  /** The last attempt at the last round that was opened; null before the first. */
  currentRound: roundViewSchema.nullable(),
});
/** A task as people see it. */
export type TaskView = z.infer<typeof taskViewSchema>;

const command = (name: 'start' | 'pause' | 'resume' | 'cancel', summary: string) =>
  defineRoute({
    method: 'POST',
    path: `/v1/tasks/:task/${name}`,
    summary,
    roles: commandRoles,
    params: taskParams,
    response: taskViewSchema,
  });

/** REST routes of tasks. */
export const taskRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/tasks',
    summary: 'List the tasks',
    roles: readRoles,
    response: z.strictObject({ tasks: z.array(taskViewSchema) }),
  }),
  create: defineRoute({
    method: 'POST',
    path: '/v1/tasks',
    summary: 'Create a task with its version 0; it starts at once unless start=false',
    roles: commandRoles,
    query: z.strictObject({ start: z.enum(['true', 'false']).default('true') }),
    body: taskDefinitionSchema,
    response: taskViewSchema,
    status: 201,
  }),
  get: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task',
    summary: 'Show one task',
    roles: readRoles,
    params: taskParams,
    response: taskViewSchema,
  }),
  start: command('start', 'Start a task that was created without starting'),
  pause: command('pause', 'Let the open round end and open no other'),
  resume: command('resume', 'Go on with a paused or failed task'),
  cancel: command('cancel', 'Abandon the open round and end the task'),
} as const;
