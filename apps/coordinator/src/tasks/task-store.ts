/** Tasks as they are stored, held in memory; what a definition implies is worked out once. */
import { Injectable } from '@nestjs/common';
import { asc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { adapterLayout, resolveTrainedTensors, specificationOf } from '#core/adapter';
import type { AdapterLayout } from '#core/adapter';
import { aggregationMethod } from '#core/aggregation';
import { InputError } from '#core/errors';
import {
  isPrivateTensor,
  taskDefinitionSchema,
  taskIdSchema,
  type TaskDefinition,
} from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { HeldRows } from '../common/held-rows.ts';
import type { Queries } from '../config/database.ts';
import { tasks } from '../config/schema.ts';
import { taskScheduleSchema } from './task-schedule.ts';
import { taskStatusSchema } from './tasks.contract.ts';

const taskColumnsSchema = z.object({
  task: taskIdSchema,
  status: taskStatusSchema,
  reason: z.string().nullable(),
  createdAtMs: z.number(),
  latestVersion: z.number().int(),
  attemptsForgiven: z.number().int(),
  promotedVersion: z.number().int().nullable(),
  nextBaseVersion: z.number().int().nullable(),
  finalVersion: z.number().int().nullable(),
  schedule: taskScheduleSchema.nullable(),
});
/** A task as it is stored. */
export interface TaskRecord extends z.infer<typeof taskColumnsSchema> {
  readonly definition: TaskDefinition;
}

/** The version that ends a task: its definition's number of rounds, another one once it was run again. */
export function finalVersionOf({ finalVersion, definition }: TaskRecord): number {
  return finalVersion ?? definition.rounds;
}

/** The version that the next round of a task starts from. */
export function nextBaseOf({ nextBaseVersion, latestVersion }: TaskRecord): number {
  return nextBaseVersion ?? latestVersion;
}

/** What may change of a task. */
export type TaskChange = Partial<
  Pick<
    TaskRecord,
    | 'status'
    | 'reason'
    | 'latestVersion'
    | 'attemptsForgiven'
    | 'promotedVersion'
    | 'nextBaseVersion'
    | 'finalVersion'
    | 'schedule'
  >
>;

/** What a definition implies. */
export interface TaskShape {
  readonly layout: AdapterLayout;
  /** What its rounds train and its sites send, over all rounds together; names in the layout's order. */
  readonly trainedTensors: readonly string[];
}

/** Work out what a definition implies. */
export function taskShape(definition: TaskDefinition): TaskShape {
  const layout = adapterLayout(specificationOf(definition));
  const selected = resolveTrainedTensors(definition.trainedTensors, layout);
  const part = definition.site?.privatePart;
  return { layout, trainedTensors: selected.filter((name) => !isPrivateTensor(name, part)) };
}

/** What a round of a task trains and its sites send, after so many published rounds of its lineage. */
export function tensorsOfRound(
  { aggregation }: TaskDefinition,
  { trainedTensors }: TaskShape,
  roundsDone: number,
): readonly string[] {
  return aggregationMethod(aggregation.method).tensorsOfRound(trainedTensors, roundsDone);
}

/** Tasks as they are stored. */
@Injectable()
export class TaskStore {
  readonly #environment: Environment;
  readonly #shapes = new Map<string, TaskShape>();
  /** Definitions never change: each is parsed once. */
  readonly #definitions = new Map<string, TaskDefinition>();
  readonly #tasks = new HeldRows<string, TaskRecord>(async () => {
    const rows = await this.#environment.queries.select().from(tasks).orderBy(asc(tasks.task));
    return new Map(rows.map((row) => [row.task, this.#parse(row)]));
  });

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  #parse(row: typeof tasks.$inferSelect): TaskRecord {
    const { definition, ...rest } = row;
    const known = this.#definitions.get(row.task) ?? taskDefinitionSchema.parse(definition);
    this.#definitions.set(row.task, known);
    return { ...taskColumnsSchema.parse(rest), definition: known };
  }

  async list(): Promise<TaskRecord[]> {
    return [...(await this.#tasks.all()).values()];
  }

  /** Find a task; within a transaction as it stands there. */
  async find(task: string, transaction?: Queries): Promise<TaskRecord | null> {
    if (transaction === undefined) return (await this.#tasks.all()).get(task) ?? null;
    const rows = await transaction.select().from(tasks).where(eq(tasks.task, task));
    return rows[0] === undefined ? null : this.#parse(rows[0]);
  }

  /**
   * Get a task.
   *
   * @throws InputError NOT_FOUND
   */
  async get(task: string, transaction?: Queries): Promise<TaskRecord> {
    const record = await this.find(task, transaction);
    if (record !== null) return record;
    throw new InputError(
      'NOT_FOUND',
      `tasks: expected a task of this federation, ${task} is not one; see GET /v1/tasks`,
      { task },
    );
  }

  /** Get a task's definition, within a transaction or outside: it never changes. */
  async definition(task: string, transaction?: Queries): Promise<TaskDefinition> {
    return this.#definitions.get(task) ?? (await this.get(task, transaction)).definition;
  }

  /** What a task's definition implies; definitions never change. */
  shape(definition: TaskDefinition): TaskShape {
    const known = this.#shapes.get(definition.task);
    if (known !== undefined) return known;
    const shape = taskShape(definition);
    this.#shapes.set(definition.task, shape);
    return shape;
  }

  /** Store a new task within a transaction. */
  async insert(
    transaction: Queries,
    task: Pick<TaskRecord, 'task' | 'definition' | 'status' | 'createdAtMs' | 'latestVersion'>,
  ): Promise<void> {
    this.#readAgainAfter(transaction);
    await transaction.insert(tasks).values(task);
  }

  /** Change a task within a transaction. */
  async update(transaction: Queries, task: string, change: TaskChange): Promise<void> {
    this.#readAgainAfter(transaction);
    await transaction.update(tasks).set(change).where(eq(tasks.task, task));
  }

  #readAgainAfter(transaction: Queries): void {
    this.#environment.transactions.whenEnded(transaction, () => {
      this.#tasks.forget();
    });
  }
}
