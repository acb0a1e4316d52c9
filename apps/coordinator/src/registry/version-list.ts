/** Versions as people see them: without their records and their keys, which no list shows. */
import { and, eq } from 'drizzle-orm';
import { z } from 'zod';
import { adapterVersionSchema, digestSchema, siteIdSchema } from '#core/protocol';
import { pageOf, type Page } from '../common/pages.contract.ts';
import { pageStatement } from '../common/pages.ts';
import type { Queries } from '../config/database.ts';
import { rounds, versions } from '../config/schema.ts';
import type { TaskRecord } from '../tasks/task-store.ts';
import type { VersionsQuery, VersionView } from './registry.contract.ts';

const listedSchema = z.object({
  version: adapterVersionSchema,
  adapterDigest: digestSchema,
  adapterBytes: z.number(),
  createdAtMs: z.number(),
  leftSites: z.array(siteIdSchema),
});
const listedColumns = {
  ...{ version: versions.version, adapterDigest: versions.adapterDigest },
  ...{ adapterBytes: versions.adapterBytes, createdAtMs: versions.createdAtMs },
  leftSites: versions.leftSites,
};
const attemptColumns = {
  round: rounds.round,
  attempt: rounds.attempt,
  baseVersion: rounds.baseVersion,
};

/** A version as people see it; `round` is null for version 0. */
export function viewOf(
  task: TaskRecord,
  version: z.infer<typeof listedSchema>,
  round: {
    readonly round: number;
    readonly attempt: number;
    readonly baseVersion: number | null;
  } | null,
): VersionView {
  return {
    version: version.version,
    adapterDigest: version.adapterDigest,
    adapterBytes: version.adapterBytes,
    createdAtMs: version.createdAtMs,
    round: round?.round ?? null,
    attempt: round?.attempt ?? null,
    baseVersion: round === null ? null : (round.baseVersion ?? round.round - 1),
    isPromoted: task.promotedVersion === version.version,
    isLatest: task.latestVersion === version.version,
    leftSites: version.leftSites,
  };
}

/** Read a page of the versions of a task. */
export async function pageOfVersions(
  queries: Queries,
  task: TaskRecord,
  query: VersionsQuery,
): Promise<Page<VersionView>> {
  const order = query.order === 'oldest' ? 'ascending' : 'descending';
  const { where, orderBy, limit } = pageStatement([versions.version], order, query);
  const rows = await queries
    .select({ version: listedColumns, round: attemptColumns })
    .from(versions)
    .leftJoin(rounds, eq(rounds.id, versions.roundId))
    .where(and(eq(versions.task, task.task), where))
    .orderBy(...orderBy)
    .limit(limit);
  const found = rows.map(({ version, round }) => viewOf(task, listedSchema.parse(version), round));
  return pageOf(found, query.limit, ({ version }) => [version]);
}
