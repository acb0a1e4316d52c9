/** Enrolment of a site: a one-time code, and the proof that it holds both of its keys. */
import { Injectable } from '@nestjs/common';
import { and, eq, ne } from 'drizzle-orm';
import { z } from 'zod';
import { fromHex } from '#core/bytes';
import {
  createEnrollmentCode,
  enrollmentSecretHash,
  siteFingerprint,
  verifyEnrollment,
} from '#core/crypto';
import { AuthError, ProtocolError, StateError } from '#core/errors';
import { protocolVersion, siteIdSchema, type SiteId } from '#core/protocol';
import { AuditTallyService } from '../audit/audit-tally.service.ts';
import { AuditService } from '../audit/audit.service.ts';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { invitations, sites } from '../config/schema.ts';
import { ConnectionsService } from './connections.service.ts';
import { NoncesService } from './nonces.service.ts';
import { RosterService, type SiteRecord } from './roster.service.ts';
import type { InvitationView, siteRoutes } from './sites.contract.ts';

type EnrollmentRequest = RouteInput<typeof siteRoutes.enroll>['body'];

const invitationSchema = z.object({
  site: siteIdSchema,
  expiresAtMs: z.number(),
  usedAtMs: z.number().nullable(),
});

/** Enrolment of sites. */
@Injectable()
export class EnrollmentService {
  readonly #environment: Environment;
  readonly #nonces: NoncesService;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;
  readonly #audit: AuditService;
  readonly #tally: AuditTallyService;

  constructor(
    environment: Environment,
    nonces: NoncesService,
    roster: RosterService,
    connections: ConnectionsService,
    audit: AuditService,
    tally: AuditTallyService,
  ) {
    this.#environment = environment;
    this.#nonces = nonces;
    this.#roster = roster;
    this.#connections = connections;
    this.#audit = audit;
    this.#tally = tally;
  }

  /** Make a one-time code within a transaction; unused earlier codes of the site stop working. */
  async createCode(
    transaction: Queries,
    site: SiteId,
    url = this.#environment.publicUrl,
  ): Promise<InvitationView> {
    const { clock, settings, keys } = this.#environment;
    const { code, secretHash } = createEnrollmentCode({
      url,
      coordinatorPublicKey: keys.signing.publicKey,
    });
    const createdAtMs = clock.wallTimeMs();
    const expiresAtMs = createdAtMs + settings.invitationLifetimeMs;
    await transaction.delete(invitations).where(eq(invitations.site, site));
    await transaction.insert(invitations).values({ secretHash, site, createdAtMs, expiresAtMs });
    await this.#audit.append(transaction, {
      actor: 'administrator',
      action: 'site.invited',
      target: `site:${site}`,
      details: { expiresAtMs },
    });
    return { site, code, expiresAtMs };
  }

  /**
   * Enrol a site: it is pending until an administrator approves it.
   *
   * @throws AuthError where nonce, code or proof do not hold; ProtocolError where the versions differ
   */
  async enroll(request: EnrollmentRequest): Promise<RouteOutput<typeof siteRoutes.enroll>> {
    try {
      return await this.#enroll(request);
    } catch (error) {
      if (error instanceof AuthError) {
        const details = { code: error.code };
        const action = 'enrollment.refused';
        this.#tally.note({ actor: 'nobody', action, target: 'federation', details });
      }
      throw error;
    }
  }

  async #enroll(request: EnrollmentRequest): Promise<RouteOutput<typeof siteRoutes.enroll>> {
    if (request.protocol !== protocolVersion) throw versionMismatch(request.protocol);
    const { federation, keys, transactions, crashPoints } = this.#environment;
    const nonce = this.#nonces.spend(request.nonce);
    const secret = fromHex(request.secret);
    const signingPublicKey = fromHex(request.signingPublicKey);
    const agreementPublicKey = fromHex(request.agreementPublicKey);
    verifyEnrollment({
      context: { federation, secret, nonce, signingPublicKey, agreementPublicKey },
      proof: { signature: fromHex(request.signature), mac: fromHex(request.mac) },
      coordinatorAgreement: keys.agreement,
    });
    const fingerprint = siteFingerprint(signingPublicKey, agreementPublicKey);
    const { site, isRepeat } = await transactions.run(async (transaction) => {
      const hash = enrollmentSecretHash(secret);
      const stored = await this.#store(transaction, hash, request, fingerprint);
      crashPoints.reach('coordinator.enrollment-uncommitted');
      return stored;
    });
    crashPoints.reach('coordinator.enrollment-stored');
    await this.#roster.follow();
    if (!isRepeat) this.#connections.cut(site);
    const { status } = this.#roster.get(site);
    return { federation, site, status: status === 'active' ? 'active' : 'pending', fingerprint };
  }

  async #store(
    transaction: Queries,
    secretHash: string,
    request: EnrollmentRequest,
    fingerprint: string,
  ): Promise<{ readonly site: SiteId; readonly isRepeat: boolean }> {
    const rows = await transaction
      .select()
      .from(invitations)
      .where(eq(invitations.secretHash, secretHash))
      .for('update');
    const invitation = rows[0] === undefined ? null : invitationSchema.parse(rows[0]);
    const nowMs = this.#environment.clock.wallTimeMs();
    if (invitation === null || invitation.expiresAtMs <= nowMs) throw unknownCode();
    const { site } = invitation;
    const record = this.#roster.get(site);
    if (invitation.usedAtMs !== null) {
      // The answer was lost on its way: the same keys get the same answer, other keys nothing.
      if (record.fingerprint !== fingerprint) throw unknownCode();
      return { site, isRepeat: true };
    }
    await this.#checkKeyIsNew(transaction, site, request.signingPublicKey);
    await transaction
      .update(invitations)
      .set({ usedAtMs: nowMs })
      .where(eq(invitations.secretHash, secretHash));
    await this.#storeKeys(transaction, record, request, fingerprint);
    return { site, isRepeat: false };
  }

  async #storeKeys(
    transaction: Queries,
    record: SiteRecord,
    request: EnrollmentRequest,
    fingerprint: string,
  ): Promise<void> {
    const { site } = record;
    if (record.status === 'revoked') throw unknownCode();
    const { signingPublicKey, agreementPublicKey, agentVersion } = request;
    // Keys that it had before are no younger for being enrolled again.
    const isSame = record.fingerprint === fingerprint;
    const enrolledAtMs =
      (isSame ? record.enrolledAtMs : null) ?? this.#environment.clock.wallTimeMs();
    await transaction
      .update(sites)
      .set({ signingPublicKey, agreementPublicKey, fingerprint, enrolledAtMs, agentVersion })
      .where(eq(sites.site, site));
    const actor = `site:${site}`;
    await this.#roster.setStatus(transaction, { site, status: 'pending', reason: null, actor });
  }

  async #checkKeyIsNew(
    transaction: Queries,
    site: SiteId,
    signingPublicKey: string,
  ): Promise<void> {
    const others = await transaction
      .select({ site: sites.site })
      .from(sites)
      .where(and(eq(sites.signingPublicKey, signingPublicKey), ne(sites.site, site)));
    if (others.length === 0) return;
    throw new StateError(
      'ALREADY_ENROLLED',
      'enrolment: expected keys of this site alone, another site has them; make new keys',
    );
  }
}

function unknownCode(): AuthError {
  return new AuthError(
    'ENROLLMENT_CODE_UNKNOWN',
    'enrolment: the code is unknown, used or expired',
  );
}

/** The refusal of another protocol version; it names both. */
export function versionMismatch(theirs: string): ProtocolError {
  return new ProtocolError(
    'PROTOCOL_VERSION_MISMATCH',
    `handshake: expected protocol ${protocolVersion}, the site speaks ${theirs.slice(0, 32)}; bring both to the same release`,
    { ours: protocolVersion, theirs: theirs.slice(0, 32) },
  );
}
