/** The roster: every site with its keys and status, held in memory and written through to the database. */
import { Injectable } from '@nestjs/common';
import { eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { fromHex } from '#core/bytes';
import { AuthError, InputError } from '#core/errors';
import { digestSchema, siteIdSchema, taskIdSchema, type SiteId } from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import type { Queries } from '../config/database.ts';
import { settings, sites } from '../config/schema.ts';
import { siteStatusSchema, type SiteStatus } from './sites.contract.ts';

const siteRowSchema = z.object({
  site: siteIdSchema,
  status: siteStatusSchema,
  reason: z.string().nullable(),
  signingPublicKey: digestSchema.nullable(),
  agreementPublicKey: digestSchema.nullable(),
  fingerprint: digestSchema.nullable(),
  invitedAtMs: z.number(),
  enrolledAtMs: z.number().nullable(),
  approvedAtMs: z.number().nullable(),
  lastSeenAtMs: z.number().nullable(),
  agentVersion: z.string().nullable(),
  lostRounds: z.number(),
  capabilities: z
    .object({
      node: z.string(),
      engines: z.array(z.object({ name: z.string(), device: z.string() })),
      backbones: z.array(digestSchema),
      memoryBytes: z.number(),
      cores: z.number(),
      approvedTasks: z.array(taskIdSchema),
    })
    .nullable(),
});
/** A site as it is stored. */
export type SiteRecord = z.infer<typeof siteRowSchema>;

/** Public keys of an enrolled site, 32 bytes each. */
export interface SiteKeys {
  readonly signingPublicKey: Uint8Array;
  readonly agreementPublicKey: Uint8Array;
}

const epochSchema = z.number().int();

/** The roster of sites. */
@Injectable()
export class RosterService {
  readonly #environment: Environment;
  readonly #audit: AuditService;
  #sites: ReadonlyMap<string, SiteRecord> = new Map();
  #onDoubt: () => void = () => undefined;
  readonly #mutex = new KeyedMutex();

  constructor(environment: Environment, audit: AuditService) {
    this.#environment = environment;
    this.#audit = audit;
  }

  /** Name who follows what is stored, where that was not read after a change or nobody knows whether it was stored. */
  connect(onDoubt: () => void): void {
    this.#onDoubt = onDoubt;
  }

  /** Read the roster again: what was stored before the call is in it afterwards. */
  refresh(): Promise<void> {
    // In turns: what was read earlier must not replace what was read later.
    return this.#mutex.run('', async () => {
      const rows = await this.#environment.queries.select().from(sites);
      this.#sites = new Map(rows.map((row) => [row.site, siteRowSchema.parse(row)]));
    });
  }

  /** Read it again after a change that is stored; where that fails it is done in the background, and who asked hears of it. */
  async follow(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      this.#onDoubt();
      throw error;
    }
  }

  /** All sites in ascending order of their names. */
  list(): SiteRecord[] {
    return [...this.#sites.values()].sort((a, b) => (a.site < b.site ? -1 : 1));
  }

  /** Find a site. */
  find(site: string): SiteRecord | undefined {
    return this.#sites.get(site);
  }

  /**
   * Get a site.
   *
   * @throws InputError NOT_FOUND
   */
  get(site: string): SiteRecord {
    const record = this.#sites.get(site);
    if (record !== undefined) return record;
    throw new InputError(
      'NOT_FOUND',
      `sites: expected a site of this federation, ${site} is not one; invite it first`,
      { site },
    );
  }

  /**
   * Get the keys of a site that may take part now.
   *
   * @throws AuthError naming the status that hinders it
   */
  activeKeys(site: string): SiteKeys {
    const record = this.#sites.get(site);
    if (
      record === undefined ||
      record.signingPublicKey === null ||
      record.agreementPublicKey === null
    ) {
      throw new AuthError('SITE_NOT_ENROLLED', `site ${site}: expected an enrolled site`);
    }
    switch (record.status) {
      case 'active':
        return {
          signingPublicKey: fromHex(record.signingPublicKey),
          agreementPublicKey: fromHex(record.agreementPublicKey),
        };
      case 'pending':
        throw new AuthError('SITE_PENDING', `site ${site}: it waits for approval`);
      case 'suspended':
        throw new AuthError('SITE_SUSPENDED', `site ${site}: it is suspended`);
      case 'left':
        throw new AuthError('SITE_LEFT', `site ${site}: it left the federation`);
      case 'revoked':
        throw new AuthError('SITE_REVOKED', `site ${site}: it is revoked`);
      case 'invited':
        throw new AuthError('SITE_NOT_ENROLLED', `site ${site}: it has not enrolled yet`);
    }
  }

  /** Whether a site left the federation. */
  hasLeft(site: string): boolean {
    return this.#sites.get(site)?.status === 'left';
  }

  /** Change a site's status within a transaction; the roster's epoch grows. Call {@link follow} after the commit. */
  async setStatus(
    queries: Queries,
    change: {
      readonly site: SiteId;
      readonly status: SiteStatus;
      readonly reason: string | null;
      readonly actor: string;
    },
  ): Promise<void> {
    const { site, status, reason, actor } = change;
    const isApproval = status === 'active';
    this.#environment.transactions.whenEnded(queries, (end) => {
      if (end === 'unknown') this.#onDoubt();
    });
    await queries
      .update(sites)
      .set({
        status,
        reason,
        ...(isApproval
          ? { lostRounds: 0, approvedAtMs: this.#environment.clock.wallTimeMs() }
          : {}),
      })
      .where(eq(sites.site, site));
    await this.raiseEpoch(queries);
    await this.#audit.append(queries, {
      actor,
      action: `site.${status}`,
      target: `site:${site}`,
      details: { reason },
    });
  }

  /** Let the roster's epoch grow by one. */
  async raiseEpoch(queries: Queries): Promise<void> {
    await queries
      .insert(settings)
      .values({ key: 'roster-epoch', value: 1 })
      .onConflictDoUpdate({
        target: settings.key,
        set: { value: sql`to_jsonb((${settings.value})::int + 1)` },
      });
  }

  /** The roster's epoch. */
  async epoch(queries: Queries): Promise<number> {
    const rows = await queries.select().from(settings).where(eq(settings.key, 'roster-epoch'));
    return rows[0] === undefined ? 0 : epochSchema.parse(rows[0].value);
  }
}
