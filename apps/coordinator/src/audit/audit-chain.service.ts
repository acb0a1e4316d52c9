/**
 * The chain over the audit log. Entries are committed without a place in it, since the numbers of rows need not be committed
 * in order; one chainer then gives every entry the next place, so that nothing is ever put in between.
 *
 * It waits a moment, so that what happens together costs one transaction. A crash leaves entries without a place; the next
 * start gives them one before anything else happens.
 */
import { Injectable } from '@nestjs/common';
import { and, asc, desc, eq, gt, isNotNull, isNull, lte, sql } from 'drizzle-orm';
import { fromHex, concatBytes } from '#core/bytes';
import {
  auditContentDigest,
  auditGenesis,
  auditLink,
  auditPosition,
  signDomains,
  signPayload,
  type AuditPosition,
  type SignedEnvelope,
} from '#core/crypto';
import { InvariantError } from '#core/errors';
import { auditHeadSchema, encodePayload, protocolVersion } from '#core/protocol';
import { BackgroundWork } from '../common/background-work.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import type { Queries } from '../config/database.ts';
import { auditEntries } from '../config/schema.ts';
import { encodeEntry } from './audit-entry.ts';
import { auditEntrySchema } from './audit.contract.ts';

const batchMax = 500;
const gatherMs = 100;
const retryDelayMs = 1000;

/** An entry in its place. */
export interface ChainedEntry extends AuditPosition {
  readonly payload: Uint8Array;
}

type Row = typeof auditEntries.$inferSelect;

/** The chain over the audit log. */
@Injectable()
export class AuditChainService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  /** Where the chain ends; null where only the database knows. */
  #end: AuditPosition | null = null;
  #head: { readonly sequence: number; readonly envelope: SignedEnvelope } | null = null;
  #isDue = false;
  readonly #mutex = new KeyedMutex();

  constructor(environment: Environment, background: BackgroundWork) {
    this.#environment = environment;
    this.#background = background;
  }

  /** Say that entries were committed: they are chained in a moment. */
  kick(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#startLater(gatherMs);
  }

  #startLater(delayMs: number): void {
    this.#background.startLater('audit-chain', delayMs, async () => {
      this.#isDue = false;
      try {
        await this.chainAll();
      } catch (error) {
        this.#isDue = true;
        this.#startLater(retryDelayMs);
        throw error;
      }
    });
  }

  /** Give every committed entry its place. */
  chainAll(): Promise<void> {
    return this.#mutex.run('chain', async () => {
      for (let count = batchMax; count === batchMax;) count = await this.#chainBatch();
    });
  }

  async #chainBatch(): Promise<number> {
    const before = this.#end;
    this.#end = null; // until the commit is known, the database alone knows
    const { count, end } = await this.#environment.transactions.run(async (transaction) => {
      const rows = await transaction
        .select()
        .from(auditEntries)
        .where(isNull(auditEntries.sequence))
        .orderBy(asc(auditEntries.id))
        .limit(batchMax);
      const from = before ?? (await readEnd(transaction));
      if (rows.length === 0) return { count: 0, end: from };
      return { count: rows.length, end: await chainRows(transaction, from, rows) };
    });
    this.#end = end;
    return count;
  }

  /** How far the log goes and what link it ends with, signed. */
  async head(): Promise<SignedEnvelope> {
    const { sequence, linkDigest } = this.#end ?? (await readEnd(this.#environment.queries));
    if (this.#head?.sequence === sequence) return this.#head.envelope;
    const { federation, clock, keys } = this.#environment;
    const payload = encodePayload(auditHeadSchema, {
      type: 'audit-head',
      protocol: protocolVersion,
      federation,
      sequence,
      linkDigest,
      atMs: clock.wallTimeMs(),
    });
    const envelope = signPayload(signDomains.auditHead, payload, keys.signing.secretKey);
    this.#head = { sequence, envelope };
    return envelope;
  }

  /** Entries in their places, `after` not counted. */
  async entries(after: number, limit: number, last?: number): Promise<ChainedEntry[]> {
    const { sequence, linkDigest, payload } = auditEntries;
    const rows = await this.#environment.queries
      .select({ sequence, linkDigest, payload })
      .from(auditEntries)
      .where(and(gt(sequence, after), last === undefined ? undefined : lte(sequence, last)))
      .orderBy(asc(sequence))
      .limit(limit);
    return rows.map(chained);
  }

  /** Content digests of the entries after a place, 32 bytes each. */
  async digests(after: number, limit: number): Promise<Uint8Array> {
    const entries = await this.entries(after, limit);
    return concatBytes(...entries.map(({ payload }) => auditContentDigest(payload)));
  }
}

/** Where the stored chain ends. */
export async function readEnd(queries: Queries): Promise<AuditPosition> {
  const { sequence, linkDigest } = auditEntries;
  const rows = await queries
    .select({ sequence, linkDigest })
    .from(auditEntries)
    .where(isNotNull(sequence))
    .orderBy(desc(sequence))
    .limit(1);
  const [last] = rows;
  if (last === undefined) return { sequence: 0, linkDigest: auditGenesis };
  if (last.sequence === null || last.linkDigest === null) throw incomplete();
  return { sequence: last.sequence, linkDigest: last.linkDigest };
}

/** Store the next links, in one statement. */
async function chainRows(
  transaction: Queries,
  from: AuditPosition,
  rows: readonly Row[],
): Promise<AuditPosition> {
  let { sequence } = from;
  let link = fromHex(from.linkDigest);
  const places: { readonly id: number; readonly position: AuditPosition }[] = [];
  for (const row of rows) {
    const payload = row.payload ?? (await addPayload(transaction, row));
    sequence += 1;
    link = auditLink(sequence, link, auditContentDigest(payload));
    places.push({ id: row.id, position: auditPosition({ sequence, link }) });
  }
  const values = places.map(
    ({ id, position }) =>
      sql`(${id}::bigint, ${position.sequence}::bigint, ${position.linkDigest}::text)`,
  );
  await transaction.execute(
    sql`update ${auditEntries} set sequence = place.sequence, link_digest = place.link
        from (values ${sql.join(values, sql`, `)}) as place (id, sequence, link)
        where ${auditEntries.id} = place.id`,
  );
  return auditPosition({ sequence, link });
}

/** An entry of before there was a chain gets its bytes now. */
async function addPayload(transaction: Queries, row: Row): Promise<Uint8Array> {
  const { atMs, actor, action, target, details } = auditEntrySchema.omit({ sequence: true }).parse({
    id: row.id,
    atMs: row.atMs,
    actor: row.actor,
    action: row.action,
    target: row.target,
    details: row.details,
  });
  const payload = encodeEntry({ atMs, actor, action, target, details });
  await transaction.update(auditEntries).set({ payload }).where(eq(auditEntries.id, row.id));
  return payload;
}

function chained(row: Pick<Row, 'sequence' | 'linkDigest' | 'payload'>): ChainedEntry {
  const { sequence, linkDigest, payload } = row;
  if (sequence === null || linkDigest === null || payload === null) throw incomplete();
  return { sequence, linkDigest, payload };
}

function incomplete(): InvariantError {
  return new InvariantError('audit: expected a chained entry to have its bytes and its link');
}
