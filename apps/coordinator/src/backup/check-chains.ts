/** What a database says of itself: the chain of the audit log and the signed chain of every task's versions. */
import { and, asc, gt, isNotNull, max } from 'drizzle-orm';
import { fromHex, toHex } from '#core/bytes';
import { auditContentDigest, auditGenesis, auditLink } from '#core/crypto';
import { MeloError } from '#core/errors';
import type { Queries } from '../config/database.ts';
import { auditEntries, versions } from '../config/schema.ts';
import { ChainCheck } from '../rounds/chain-check.ts';
import { storedLinks } from '../rounds/stored-links.ts';

const pageSize = 500;

/** What was found of one chain. */
export interface ChainFinding {
  /** `audit`, or the task whose versions it is. */
  readonly chain: string;
  /** The last entry or version that was looked at. */
  readonly last: number;
  /** What does not hold; null where it does. */
  readonly wrong: string | null;
}

/** Check the chain of the audit log, entry by entry. */
export async function checkAuditChain(queries: Queries): Promise<ChainFinding> {
  const { sequence, linkDigest, payload } = auditEntries;
  let last = 0;
  let link = fromHex(auditGenesis);
  const wrong = (what: string): ChainFinding => ({ chain: 'audit', last, wrong: what });
  for (;;) {
    const rows = await queries
      .select({ sequence, linkDigest, payload })
      .from(auditEntries)
      .where(and(isNotNull(sequence), gt(sequence, last)))
      .orderBy(asc(sequence))
      .limit(pageSize);
    for (const row of rows) {
      if (row.sequence !== last + 1) return wrong(`entry ${last + 1} is missing`);
      if (row.payload === null) return wrong(`entry ${last + 1} has no content`);
      link = auditLink(row.sequence, link, auditContentDigest(row.payload));
      if (toHex(link) !== row.linkDigest) return wrong(`entry ${last + 1} is not what was linked`);
      last = row.sequence;
    }
    if (rows.length < pageSize) return { chain: 'audit', last, wrong: null };
  }
}

/** Check the signed chain of every task, version by version. */
export async function checkResultChains(
  queries: Queries,
  federation: string,
  coordinatorPublicKey: Uint8Array,
): Promise<ChainFinding[]> {
  const tasks = await queries
    .select({ task: versions.task, last: max(versions.version) })
    .from(versions)
    .groupBy(versions.task)
    .orderBy(asc(versions.task));
  const findings: ChainFinding[] = [];
  for (const { task, last } of tasks) {
    const about = { federation, task, coordinatorPublicKey };
    findings.push(await checkResultChain(queries, about, last ?? 0));
  }
  return findings;
}

async function checkResultChain(
  queries: Queries,
  about: {
    readonly federation: string;
    readonly task: string;
    readonly coordinatorPublicKey: Uint8Array;
  },
  last: number,
): Promise<ChainFinding> {
  const { task } = about;
  let checked = 0;
  try {
    const [initial] = await storedLinks(queries, task, 0, 0);
    if (initial === undefined) return { chain: task, last: 0, wrong: 'version 0 is missing' };
    const chain = new ChainCheck({ ...about, initialDigest: initial.adapterDigest });
    for (let first = 1; first <= last; first += pageSize) {
      const page = Math.min(last, first + pageSize - 1);
      for (const link of await storedLinks(queries, task, first, page)) {
        chain.next(link);
        checked = link.version;
      }
    }
  } catch (error) {
    if (!(error instanceof MeloError)) throw error;
    return { chain: task, last: checked, wrong: error.message };
  }
  return {
    chain: task,
    last,
    wrong: checked === last ? null : `version ${checked + 1} is missing`,
  };
}
