/** Single-use nonces of the handshake: in memory, since a restart makes the site ask again and invalidates nothing else. */
import { Injectable } from '@nestjs/common';
import { fromHex, toHex } from '#core/bytes';
import { randomBytes, signDomains, signPayload, type SignedEnvelope } from '#core/crypto';
import { AuthError } from '#core/errors';
import { encodePayload, limits, nonceStatementSchema, protocolVersion } from '#core/protocol';
import { Environment } from '../common/environment.ts';

/** Nonces kept at most: about 20 MB; the oldest gives way. */
const noncesMax = 100_000;

/** Single-use nonces. */
@Injectable()
export class NoncesService {
  readonly #environment: Environment;
  /** Nonce to its monotonic end, in order of making. */
  readonly #nonces = new Map<string, number>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Make a nonce and sign it with the challenge that was sent. */
  issue(challenge: string): SignedEnvelope {
    const { keys, clock, federation } = this.#environment;
    this.#forgetExpired();
    const nonce = toHex(randomBytes(32));
    this.#nonces.set(nonce, clock.monotonicTimeMs() + limits.nonceLifetimeMs);
    const payload = encodePayload(nonceStatementSchema, {
      type: 'nonce',
      protocol: protocolVersion,
      federation,
      challenge,
      nonce,
      signingPublicKey: toHex(keys.signing.publicKey),
      agreementPublicKey: toHex(keys.agreement.publicKey),
      expiresAtMs: clock.wallTimeMs() + limits.nonceLifetimeMs,
    });
    return signPayload(signDomains.nonce, payload, keys.signing.secretKey);
  }

  /**
   * Spend a nonce and return its 32 bytes.
   *
   * @throws AuthError NONCE_UNKNOWN where it is unknown, used or expired
   */
  spend(nonce: string): Uint8Array {
    const expiresAtMs = this.#nonces.get(nonce);
    this.#nonces.delete(nonce);
    if (expiresAtMs !== undefined && expiresAtMs > this.#environment.clock.monotonicTimeMs()) {
      return fromHex(nonce);
    }
    throw new AuthError(
      'NONCE_UNKNOWN',
      'handshake: expected a nonce that was just given, it is unknown, used or expired; ask for a new one',
    );
  }

  #forgetExpired(): void {
    const nowMs = this.#environment.clock.monotonicTimeMs();
    for (const [nonce, expiresAtMs] of this.#nonces) {
      if (expiresAtMs > nowMs && this.#nonces.size < noncesMax) break;
      this.#nonces.delete(nonce);
    }
  }
}
