/** Attempts as lists show them: without their records, their keys and the number of their events. */
import { and, eq } from 'drizzle-orm';
import { z } from 'zod';
import {
  adapterVersionSchema,
  attemptSchema,
  roundNumberSchema,
  roundStateSchema,
  taskIdSchema,
} from '#core/protocol';
import { pageOf, type Page } from '../common/pages.contract.ts';
import { pageStatement } from '../common/pages.ts';
import type { Queries } from '../config/database.ts';
import { rounds } from '../config/schema.ts';
import { roundFiguresSchema, type RoundsQuery } from './rounds.contract.ts';

/** What lists show of a row. */
export const listedColumnsSchema = z.object({
  id: z.number().int(),
  task: taskIdSchema,
  round: roundNumberSchema,
  attempt: attemptSchema,
  baseVersion: adapterVersionSchema.nullable(),
  state: roundStateSchema,
  openedAtMs: z.number(),
  deadlineAtMs: z.number(),
  settledAtMs: z.number().nullable(),
  figures: roundFiguresSchema.nullable(),
});
/** Tell the version that an attempt starts from; rows of before there was a choice leave it out. */
export function withBaseVersion<
  Row extends { readonly baseVersion: number | null; readonly round: number },
>(row: Row) {
  return { ...row, baseVersion: row.baseVersion ?? row.round - 1 };
}

/** A row of a list. */
export const listedSchema = listedColumnsSchema.transform(withBaseVersion);
/** What lists show of an attempt. */
export type ListedRound = z.infer<typeof listedSchema>;

/** The columns of such a row. */
export const listedColumns = {
  ...{ id: rounds.id, task: rounds.task, round: rounds.round, attempt: rounds.attempt },
  ...{ baseVersion: rounds.baseVersion, state: rounds.state, openedAtMs: rounds.openedAtMs },
  ...{ deadlineAtMs: rounds.deadlineAtMs, settledAtMs: rounds.settledAtMs },
  figures: rounds.figures,
};

/** Read a page of the attempts of a task, newest first; of one round alone where it is named. */
export async function pageOfRounds(
  queries: Queries,
  task: string,
  query: RoundsQuery,
): Promise<Page<ListedRound>> {
  const { where, orderBy, limit } = pageStatement(
    [rounds.round, rounds.attempt],
    'descending',
    query,
  );
  const isAsked = query.round === undefined ? undefined : eq(rounds.round, query.round);
  const rows = await queries
    .select(listedColumns)
    .from(rounds)
    .where(and(eq(rounds.task, task), isAsked, where))
    .orderBy(...orderBy)
    .limit(limit);
  const found = rows.map((row) => listedSchema.parse(row));
  return pageOf(found, query.limit, ({ round, attempt }) => [round, attempt]);
}
