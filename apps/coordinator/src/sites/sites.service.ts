/** What administrators do with sites; each touches one site alone. */
import { Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';
import { fromHex } from '#core/bytes';
import { constantTimeEqual } from '#core/crypto';
import { AuthError, StateError } from '#core/errors';
import { limits, type SiteId } from '#core/protocol';
import { BackgroundWork } from '../common/background-work.ts';
import { isRepeatedCommand } from '../common/command-context.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import { pageOfNamed, type Page, type PageQuery } from '../common/pages.contract.ts';
import type { Queries } from '../config/database.ts';
import { invitations, sites } from '../config/schema.ts';
import { RoundsService } from '../rounds/rounds.service.ts';
import { ConnectionsService } from './connections.service.ts';
import { EnrollmentService } from './enrollment.service.ts';
import { RosterService, type SiteRecord } from './roster.service.ts';
import type { InvitationView, SiteStatus, SiteView } from './sites.contract.ts';

const actor = 'administrator';

/** What administrators do with sites. */
@Injectable()
export class SitesService {
  readonly #environment: Environment;
  readonly #roster: RosterService;
  readonly #enrollment: EnrollmentService;
  readonly #connections: ConnectionsService;
  readonly #rounds: RoundsService;
  readonly #background: BackgroundWork;
  readonly #mutex = new KeyedMutex();

  constructor(
    environment: Environment,
    roster: RosterService,
    enrollment: EnrollmentService,
    connections: ConnectionsService,
    rounds: RoundsService,
    background: BackgroundWork,
  ) {
    this.#environment = environment;
    this.#roster = roster;
    this.#enrollment = enrollment;
    this.#connections = connections;
    this.#rounds = rounds;
    this.#background = background;
    roster.connect(() => {
      this.#followSoon();
    });
  }

  /** A page of the sites by name; of one site alone for its steward. */
  list(own: SiteId | null, query: PageQuery<readonly [string]>): Page<SiteView> {
    const seen = this.#roster.list().filter(({ site }) => own === null || site === own);
    const { items, nextCursor } = pageOfNamed(seen, query, ({ site }) => site);
    return { items: items.map((record) => this.#view(record)), nextCursor };
  }

  get(site: SiteId): SiteView {
    return this.#view(this.#roster.get(site));
  }

  /** Make a site and its one-time code. */
  invite(site: SiteId, url: string | undefined): Promise<InvitationView> {
    return this.#mutex.run('roster', async () => {
      if (this.#roster.find(site) !== undefined) {
        // Its first code was lost with the answer: nobody has it, and the new one makes it worthless.
        if (isRepeatedCommand()) return this.inviteAgain(site, url);
        throw new StateError(
          'ALREADY_EXISTS',
          `sites: expected a new name, ${site} is there already; ask for a new code at /v1/sites/${site}/invitations`,
        );
      }
      const count = this.#roster.list().filter(({ status }) => !isGone(status)).length;
      if (count >= limits.membersMax) {
        throw new StateError(
          'STATE_CONFLICT',
          `sites: expected at most ${limits.membersMax} sites, there are ${count}; revoke one that left`,
        );
      }
      const { transactions } = this.#environment;
      const invitation = await transactions.run(async (transaction) => {
        transactions.whenEnded(transaction, (end) => {
          if (end === 'unknown') this.#followSoon();
        });
        const invitedAtMs = this.#environment.clock.wallTimeMs();
        await transaction.insert(sites).values({ site, status: 'invited', invitedAtMs });
        return this.#enrollment.createCode(transaction, site, url);
      });
      await this.#roster.follow();
      return invitation;
    });
  }

  /** Make a new one-time code: after a lost one, or to renew the keys of a site. */
  inviteAgain(site: SiteId, url: string | undefined): Promise<InvitationView> {
    return this.#mutex.run(site, async () => {
      const { status } = this.#roster.get(site);
      if (status === 'revoked') throw conflict(site, status, 'be invited again');
      return this.#environment.transactions.run((transaction) =>
        this.#enrollment.createCode(transaction, site, url),
      );
    });
  }

  /** Approve a site whose fingerprint the administrator compared. */
  approve(site: SiteId, fingerprint: string): Promise<SiteView> {
    return this.#mutex.run(site, async () => {
      const record = this.#roster.get(site);
      if (record.fingerprint === null) throw conflict(site, record.status, 'be approved');
      if (!constantTimeEqual(fromHex(record.fingerprint), fromHex(fingerprint))) {
        throw new AuthError(
          'FORBIDDEN',
          `site ${site}: the fingerprint is not the one it enrolled with`,
        );
      }
      if (record.status === 'active') return this.#view(record);
      if (record.status !== 'pending') throw conflict(site, record.status, 'be approved');
      return this.#setStatus(site, 'active', null);
    });
  }

  /** Suspend a site: cut at once, withdrawn from open rounds; what it reported already stays. */
  suspend(site: SiteId, reason: string): Promise<SiteView> {
    return this.#mutex.run(site, async () => {
      const record = this.#roster.get(site);
      if (record.status !== 'suspended') {
        if (record.status !== 'active') throw conflict(site, record.status, 'be suspended');
        await this.#setStatus(site, 'suspended', reason);
      }
      await this.#withdrawOrFollow(site);
      return this.get(site);
    });
  }

  /** Let a suspended site take part again. */
  resume(site: SiteId): Promise<SiteView> {
    return this.#mutex.run(site, async () => {
      const record = this.#roster.get(site);
      if (record.status === 'active') return this.#view(record);
      if (record.status !== 'suspended') throw conflict(site, record.status, 'be resumed');
      return this.#setStatus(site, 'active', null);
    });
  }

  /** Revoke a site for good: cut at once and withdrawn from open rounds with all it sent. */
  revoke(site: SiteId, reason: string): Promise<SiteView> {
    return this.#mutex.run(site, async () => {
      const record = this.#roster.get(site);
      if (record.status !== 'revoked') await this.#setStatus(site, 'revoked', reason);
      await this.#withdrawOrFollow(site);
      return this.get(site);
    });
  }

  /**
   * Let a site leave: cut at once and withdrawn from open rounds with all it sent; what was published stays. Its name comes
   * back only by a new code and a new enrolment.
   */
  leave(site: SiteId, reason: string): Promise<void> {
    return this.#mutex.run(site, async () => {
      const { status } = this.#roster.get(site);
      if (status === 'revoked') throw conflict(site, status, 'leave');
      if (status === 'left') await this.#forgetCodes(this.#environment.queries, site);
      else await this.#setStatus(site, 'left', reason);
      await this.#withdrawOrFollow(site);
    });
  }

  /** Follow what is stored of every site, in the background: roster, sockets, open rounds. */
  #followSoon(): void {
    this.#background.startUntilDone('sites', async () => {
      await this.#roster.refresh();
      for (const { site, status } of this.#roster.list()) {
        if (status !== 'active') this.#connections.cut(site);
      }
      await this.resumeWithdrawals();
    });
  }

  /** Take suspended, revoked and left sites out of rounds that are still open: a crash may have come in between. */
  async resumeWithdrawals(): Promise<void> {
    for (const { site } of this.#roster.list()) await this.#withdraw(site);
  }

  /** Where it fails it is done in the background, and who asked hears of the failure. */
  async #withdrawOrFollow(site: SiteId): Promise<void> {
    try {
      await this.#withdraw(site);
    } catch (error) {
      this.#followSoon();
      throw error;
    }
  }

  async #withdraw(site: SiteId): Promise<void> {
    const { status, reason } = this.#roster.get(site);
    if (status !== 'suspended' && !isGone(status)) return;
    const what = status === 'left' ? 'the site left' : `the site was ${status}`;
    const text = `${what}: ${reason ?? 'no reason recorded'}`.slice(0, 500);
    await this.#rounds.withdraw(site, text, status === 'suspended');
  }

  async #setStatus(site: SiteId, status: SiteStatus, reason: string | null): Promise<SiteView> {
    await this.#environment.transactions.run(async (transaction) => {
      if (isGone(status)) await this.#forgetCodes(transaction, site);
      await this.#roster.setStatus(transaction, { site, status, reason, actor });
    });
    await this.#roster.follow();
    if (status !== 'active') this.#connections.cut(site);
    return this.get(site);
  }

  async #forgetCodes(queries: Queries, site: SiteId): Promise<void> {
    await queries.delete(invitations).where(eq(invitations.site, site));
  }

  #view(record: SiteRecord): SiteView {
    const { site } = record;
    return {
      site,
      status: record.status,
      reason: record.reason,
      fingerprint: record.fingerprint,
      invitedAtMs: record.invitedAtMs,
      enrolledAtMs: record.enrolledAtMs,
      approvedAtMs: record.approvedAtMs,
      isConnected: this.#connections.isConnected(site),
      lastSeenAtMs: this.#connections.heartbeatOf(site)?.atMs ?? record.lastSeenAtMs,
      agentVersion: record.agentVersion,
      lostRounds: record.lostRounds,
      capabilities: record.capabilities,
      heartbeat: this.#connections.heartbeatOf(site),
    };
  }
}

/** Whether a site takes part no more: it counts to no limit, and codes made for it are worth nothing. */
function isGone(status: SiteStatus): boolean {
  return status === 'revoked' || status === 'left';
}

function conflict(site: SiteId, status: SiteStatus, what: string): StateError {
  return new StateError(
    'STATE_CONFLICT',
    `site ${site}: it is ${status} and cannot ${what}; see GET /v1/sites/${site}`,
    { status },
  );
}
