/** Tasks as they are stored; what a definition implies is worked out once. */
import { Injectable } from '@nestjs/common';
import { asc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { adapterLayout, resolveTrainedTensors, specificationOf } from '#core/adapter';
import type { AdapterLayout } from '#core/adapter';
import { InputError } from '#core/errors';
import { taskDefinitionSchema, taskIdSchema, type TaskDefinition } from '#core/protocol';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { tasks } from '../config/schema.ts';
import { taskStatusSchema } from './tasks.contract.ts';

const taskRowSchema = z.object({
  task: taskIdSchema,
  definition: taskDefinitionSchema,
  status: taskStatusSchema,
  reason: z.string().nullable(),
  createdAtMs: z.number(),
  latestVersion: z.number().int(),
  attemptsForgiven: z.number().int(),
});
/** A task as it is stored. */
export type TaskRecord = z.infer<typeof taskRowSchema>;

/** What a definition implies. */
export interface TaskShape {
  readonly layout: AdapterLayout;
  /** Names in the layout's order. */
  readonly trainedTensors: readonly string[];
}

/** Work out what a definition implies. */
export function taskShape(definition: TaskDefinition): TaskShape {
  const layout = adapterLayout(specificationOf(definition));
  return { layout, trainedTensors: resolveTrainedTensors(definition.trainedTensors, layout) };
}

/** Tasks as they are stored. */
@Injectable()
export class TaskStore {
  readonly #environment: Environment;
  readonly #shapes = new Map<string, TaskShape>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  async list(): Promise<TaskRecord[]> {
    const rows = await this.#environment.queries.select().from(tasks).orderBy(asc(tasks.task));
    return rows.map((row) => taskRowSchema.parse(row));
  }

  async find(
    task: string,
    queries: Queries = this.#environment.queries,
  ): Promise<TaskRecord | null> {
    const rows = await queries.select().from(tasks).where(eq(tasks.task, task));
    return rows[0] === undefined ? null : taskRowSchema.parse(rows[0]);
  }

  /**
   * Get a task.
   *
   * @throws InputError NOT_FOUND
   */
  async get(task: string, queries?: Queries): Promise<TaskRecord> {
    const record = await this.find(task, queries);
    if (record !== null) return record;
    throw new InputError(
      'NOT_FOUND',
      `tasks: expected a task of this federation, ${task} is not one; see GET /v1/tasks`,
      { task },
    );
  }

  /** What a task's definition implies; definitions never change. */
  shape(definition: TaskDefinition): TaskShape {
    const known = this.#shapes.get(definition.task);
    if (known !== undefined) return known;
    const shape = taskShape(definition);
    this.#shapes.set(definition.task, shape);
    return shape;
  }

  async update(
    queries: Queries,
    task: string,
    change: Partial<Pick<TaskRecord, 'status' | 'reason' | 'latestVersion' | 'attemptsForgiven'>>,
  ): Promise<void> {
    await queries.update(tasks).set(change).where(eq(tasks.task, task));
  }
}
