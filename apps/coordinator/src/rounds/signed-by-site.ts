/** What a site signs about a round: verified as the bytes came, then checked to belong to this socket's site and round. */
import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import { verifyPayload, type SignDomain, type SignedEnvelope } from '#core/crypto';
import { AuthError, ProtocolError, StateError } from '#core/errors';
import { decodePayload, type SiteId } from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { RosterService } from '../sites/roster.service.ts';
import { roundNotFound, RoundStore, type RoundRecord } from './round-store.ts';

interface SignedParts {
  readonly federation: string;
  readonly site: string;
}

/** Signed messages of sites. */
@Injectable()
export class SignedBySite {
  readonly #environment: Environment;
  readonly #roster: RosterService;
  readonly #store: RoundStore;

  constructor(environment: Environment, roster: RosterService, store: RoundStore) {
    this.#environment = environment;
    this.#roster = roster;
    this.#store = store;
  }

  /**
   * Open a signed message of a site.
   *
   * @throws AuthError SIGNATURE_INVALID, FORBIDDEN for another site's; ProtocolError MESSAGE_INVALID
   */
  open<Schema extends z.ZodType<SignedParts>>(
    site: SiteId,
    domain: SignDomain,
    envelope: SignedEnvelope,
    schema: Schema,
  ): z.infer<Schema> {
    const { signingPublicKey } = this.#roster.activeKeys(site);
    const payload = verifyPayload(domain, envelope, signingPublicKey);
    const message = decodePayload(schema, payload, domain);
    if (message.site !== site) {
      throw new AuthError('FORBIDDEN', `${domain}: expected a message of site ${site}`);
    }
    if (message.federation !== this.#environment.federation) {
      throw new ProtocolError(
        'MESSAGE_INVALID',
        `${domain}: expected federation ${this.#environment.federation}, got another; enrol this site here`,
        {},
        { sites: [site] },
      );
    }
    return message;
  }

  /**
   * Find the attempt that a message names.
   *
   * @throws StateError ROUND_NOT_FOUND, or ROUND_STALE where it answers another RoundOpen than the one signed here
   */
  async roundOf(message: {
    readonly task: string;
    readonly round: number;
    readonly attempt: number;
    readonly roundOpenDigest: string;
  }): Promise<RoundRecord> {
    const { task, round, attempt } = message;
    const record = await this.#store.find(task, round, attempt);
    if (record === null) throw roundNotFound(task, round);
    if (record.openDigest === message.roundOpenDigest) return record;
    throw new StateError(
      'ROUND_STALE',
      `round ${round} of ${task}: expected the digest of the RoundOpen of attempt ${attempt}, got another; ask again with round:get`,
      { task, round, attempt },
    );
  }
}
