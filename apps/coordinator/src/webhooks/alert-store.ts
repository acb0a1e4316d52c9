/** Alerts that hold, as they are stored: what was told once is not told again, whatever restarts. */
import { Injectable } from '@nestjs/common';
import { and, asc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { openAlerts } from '../config/schema.ts';
import type { Condition } from './alert-conditions.ts';
import { conditionKindSchema } from './webhooks.contract.ts';

const openAlertSchema = z.object({
  kind: conditionKindSchema,
  subject: z.string(),
  alert: z.string(),
  summary: z.string(),
  details: z.record(z.string(), z.number()),
  sinceMs: z.number(),
});
/** An alert that holds. */
export type OpenAlert = z.infer<typeof openAlertSchema>;

const isSame = ({ kind, subject }: Pick<Condition, 'kind' | 'subject'>) =>
  and(eq(openAlerts.kind, kind), eq(openAlerts.subject, subject));

/** Alerts that hold. */
@Injectable()
export class AlertStore {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  async list(queries: Queries = this.#environment.queries): Promise<OpenAlert[]> {
    const rows = await queries
      .select()
      .from(openAlerts)
      .orderBy(asc(openAlerts.sinceMs), asc(openAlerts.kind), asc(openAlerts.subject));
    return rows.map((row) => openAlertSchema.parse(row));
  }

  /** Note that an alert holds; false where one of its kind and subject does already. */
  async open(transaction: Queries, record: OpenAlert): Promise<boolean> {
    const rows = await transaction
      .insert(openAlerts)
      .values(record)
      .onConflictDoNothing()
      .returning({ alert: openAlerts.alert });
    return rows.length > 0;
  }

  /** Note that an alert is over; false where it was already. */
  async close(transaction: Queries, alert: OpenAlert): Promise<boolean> {
    const rows = await transaction
      .delete(openAlerts)
      .where(isSame(alert))
      .returning({ alert: openAlerts.alert });
    return rows.length > 0;
  }
}
