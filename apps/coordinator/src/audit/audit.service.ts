/** The audit list: what happened, appended in the transaction in which it happened. */
import { Injectable } from '@nestjs/common';
import { asc, gt } from 'drizzle-orm';
import type { JsonValue } from '#core/errors';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { auditEntries } from '../config/schema.ts';
import { auditEntrySchema, type AuditEntry } from './audit.contract.ts';

/** What is appended: never a secret, a weight or a patient's datum. */
export interface AuditRecord {
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly details?: Readonly<Record<string, JsonValue>>;
}

/** The audit list. */
@Injectable()
export class AuditService {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Append within a transaction. */
  async append(queries: Queries, record: AuditRecord): Promise<void> {
    const { actor, action, target, details = {} } = record;
    const atMs = this.#environment.clock.wallTimeMs();
    await queries.insert(auditEntries).values({ atMs, actor, action, target, details });
  }

  /** List entries after an id, oldest first. */
  async list(
    after: number,
    limit: number,
  ): Promise<{ readonly entries: AuditEntry[]; readonly hasMore: boolean }> {
    const rows = await this.#environment.queries
      .select()
      .from(auditEntries)
      .where(gt(auditEntries.id, after))
      .orderBy(asc(auditEntries.id))
      .limit(limit + 1);
    const entries = rows.slice(0, limit).map((row) => auditEntrySchema.parse(row));
    return { entries, hasMore: rows.length > limit };
  }
}
