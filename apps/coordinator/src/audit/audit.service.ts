/** The audit log: what happened, appended in the transaction in which it happened, chained right after the commit. */
import { Injectable } from '@nestjs/common';
import { and, eq, gte, like, lte, type SQL } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { InvariantError, type JsonValue } from '#core/errors';
import { limits } from '#core/protocol';
import { currentCommand } from '../common/command-context.ts';
import { claimKey } from '../common/command-keys.ts';
import { Environment } from '../common/environment.ts';
import { pageOf, type Page } from '../common/pages.contract.ts';
import { pageStatement } from '../common/pages.ts';
import type { Queries } from '../config/database.ts';
import { auditEntries } from '../config/schema.ts';
import { AuditChainService } from './audit-chain.service.ts';
import { encodeEntry } from './audit-entry.ts';
import { auditEntrySchema, type AuditEntry, type AuditQuery } from './audit.contract.ts';

/** What is appended: never a secret, a weight or a patient's datum. */
export interface AuditRecord {
  /** `administrator` for whoever gave the present command, `user:NAME`, `coordinator`, `nobody`, `site:NAME`. */
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly details?: Readonly<Record<string, JsonValue>>;
}

/** The audit log. */
@Injectable()
export class AuditService {
  readonly #environment: Environment;
  readonly #chain: AuditChainService;

  constructor(environment: Environment, chain: AuditChainService) {
    this.#environment = environment;
    this.#chain = chain;
  }

  /**
   * Append within a transaction of {@link Environment.transactions}. What a person did names the token, and the
   * Idempotency-Key that it came with is claimed along with it.
   */
  async append(transaction: Queries, ...records: readonly AuditRecord[]): Promise<void> {
    if (records.length === 0) return;
    const atMs = this.#environment.clock.wallTimeMs();
    const rows = records.map((record) => rowOf(record, atMs));
    await transaction.insert(auditEntries).values(rows);
    const claim = currentCommand()?.claim ?? null;
    if (claim !== null && records.some(isByPerson)) await claimKey(transaction, claim, atMs);
    this.#environment.transactions.whenEnded(transaction, (end) => {
      if (end !== 'undone') this.#chain.kick();
    });
  }

  /** Append in a transaction of its own: where nothing else is stored. */
  record(...records: readonly AuditRecord[]): Promise<void> {
    return this.#environment.transactions.run((transaction) =>
      this.append(transaction, ...records),
    );
  }

  /** List entries that fit, page by page. */
  async list(query: AuditQuery): Promise<Page<AuditEntry>> {
    const { id, atMs, actor, action, target, details, sequence } = auditEntries;
    const order = query.order === 'newest' ? 'descending' : 'ascending';
    const { where, orderBy, limit } = pageStatement([id], order, query);
    const rows = await this.#environment.queries
      .select({ id, atMs, actor, action, target, details, sequence })
      .from(auditEntries)
      .where(and(...conditionsOf(query), where))
      .orderBy(...orderBy)
      .limit(limit);
    const found = rows.map((row) => auditEntrySchema.parse(row));
    return pageOf(found, query.limit, (entry) => [entry.id]);
  }
}

const isByPerson = ({ actor }: AuditRecord): boolean =>
  actor !== 'coordinator' && actor !== 'nobody' && !actor.startsWith('site:');

function rowOf(record: AuditRecord, atMs: number) {
  const { action, target } = record;
  const command = isByPerson(record) ? currentCommand() : undefined;
  const actor = command?.actor ?? record.actor;
  const token = command?.token ?? null;
  const details = { ...record.details, ...(token === null ? {} : { token }) };
  const payload = encodeEntry({ atMs, actor, action, target, details });
  if (payload.length > limits.auditPayloadBytesMax) {
    throw new InvariantError(
      `audit: expected at most ${limits.auditPayloadBytesMax} bytes for ${action}, got ${payload.length}`,
    );
  }
  return { atMs, actor, action, target, details, payload };
}

function conditionsOf(query: AuditQuery): SQL[] {
  const { actor, action, target, since, until } = query;
  const { atMs } = auditEntries;
  const wanted: (SQL | undefined)[] = [
    since === undefined ? undefined : gte(atMs, since),
    until === undefined ? undefined : lte(atMs, until),
    matches(auditEntries.actor, actor),
    matches(auditEntries.action, action),
    matches(auditEntries.target, target),
  ];
  return wanted.filter((condition) => condition !== undefined);
}

/** A text as it is, or every text that begins with what stands before a last `*`. */
function matches(column: PgColumn, text: string | undefined): SQL | undefined {
  if (text === undefined) return undefined;
  if (!text.endsWith('*')) return eq(column, text);
  return like(column, `${text.slice(0, -1).replace(/[\\%_]/g, '\\$&')}%`);
}
