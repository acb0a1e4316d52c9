/** The stored links of a task's chain of versions, as {@link ChainCheck} takes them. */
import { and, asc, between, eq } from 'drizzle-orm';
import type { SignedEnvelope } from '#core/crypto';
import type { Queries } from '../config/database.ts';
import { rounds, versions } from '../config/schema.ts';
import type { StoredLink } from './chain-check.ts';

function envelope(payload: Uint8Array | null, signature: Uint8Array | null): SignedEnvelope | null {
  return payload === null || signature === null ? null : { payload, signature };
}

/** Read the links from one version up to another, both included, in ascending order. */
export async function storedLinks(
  queries: Queries,
  task: string,
  first: number,
  last: number,
): Promise<StoredLink[]> {
  const rows = await queries
    .select({ version: versions, round: rounds })
    .from(versions)
    .leftJoin(rounds, eq(rounds.id, versions.roundId))
    .where(and(eq(versions.task, task), between(versions.version, first, last)))
    .orderBy(asc(versions.version));
  return rows.map(({ version, round }) => ({
    version: version.version,
    adapterDigest: version.adapterDigest,
    resultDigest: version.resultDigest,
    result: envelope(version.resultPayload, version.resultSignature),
    open: round === null ? null : envelope(round.openPayload, round.openSignature),
    openDigest: round?.openDigest ?? null,
    membership:
      round === null ? null : envelope(round.membershipPayload, round.membershipSignature),
  }));
}
