/**
 * Signed things are bytes: Ed25519 (RFC 8032) over encodePieces([domain, payload]).
 *
 * The receiver verifies the payload as it came, then parses it, and keeps it verbatim. The domain is never sent: the
 * context fixes it, so that a signature made for one purpose cannot serve another.
 */
import sodium from 'libsodium-wrappers';
import { toHex, utf8 } from '#core/bytes';
import { AuthError } from '#core/errors';
import { blake2b256, checkBytes, encodePieces } from './primitives.ts';

/** The purposes a signature may have. */
export const signDomains = {
  roundOpen: 'melo/1/round-open',
  roundResult: 'melo/1/round-result',
  membership: 'melo/1/membership',
  decision: 'melo/1/decision',
  manifest: 'melo/1/manifest',
  evaluation: 'melo/1/evaluation',
  evaluationRequest: 'melo/1/evaluation-request',
  evaluationDecline: 'melo/1/evaluation-decline',
  baselineManifest: 'melo/1/baseline-manifest',
  handshake: 'melo/1/handshake',
  nonce: 'melo/1/nonce',
  enrollment: 'melo/1/enrollment',
  taskDefinition: 'melo/1/task',
  auditHead: 'melo/1/audit-head',
  backup: 'melo/1/backup',
} as const;
/** The purpose of a signature. */
export type SignDomain = (typeof signDomains)[keyof typeof signDomains];

/** A signed thing as it travels. */
export interface SignedEnvelope {
  readonly payload: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** Sign a payload for one purpose. */
export function signPayload(
  domain: SignDomain,
  payload: Uint8Array,
  secretKey: Uint8Array,
): SignedEnvelope {
  const message = encodePieces([utf8(domain), payload]);
  return {
    payload,
    signature: sodium.crypto_sign_detached(message, checkBytes(secretKey, 64, 'secret key')),
  };
}

/**
 * Verify a signed thing and return its payload, not copied.
 *
 * @throws AuthError SIGNATURE_INVALID naming the purpose
 */
export function verifyPayload(
  domain: SignDomain,
  envelope: SignedEnvelope,
  publicKey: Uint8Array,
): Uint8Array {
  const message = encodePieces([utf8(domain), envelope.payload]);
  if (!isSignatureValid(envelope.signature, message, publicKey)) {
    throw new AuthError(
      'SIGNATURE_INVALID',
      `${domain}: expected a signature by the pinned key, this one does not verify; check who sent it and that its key was not renewed`,
      { domain },
    );
  }
  return envelope.payload;
}

/** Tell whether an Ed25519 signature verifies; wrong lengths are simply not valid. */
export function isSignatureValid(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  return sodium.crypto_sign_verify_detached(signature, message, publicKey);
}

/** Digest a signed payload in its purpose, hexadecimal: e.g. the RoundOpen digest that seals and manifests bind. */
export function envelopeDigest(domain: SignDomain, payload: Uint8Array): string {
  return toHex(blake2b256(encodePieces([utf8(domain), payload])));
}

/** What a connection's signature covers. */
export interface HandshakeContext {
  readonly federation: string;
  readonly site: string;
  /** The coordinator's single-use nonce, 32 bytes. */
  readonly nonce: Uint8Array;
  /** The coordinator's Ed25519 key, 32 bytes. */
  readonly coordinatorPublicKey: Uint8Array;
}

function handshakePayload(context: HandshakeContext): Uint8Array {
  return encodePieces([
    utf8(context.federation),
    utf8(context.site),
    checkBytes(context.nonce, 32, 'nonce'),
    checkBytes(context.coordinatorPublicKey, 32, 'coordinator key'),
  ]);
}

/** Sign a connection: 64 bytes over (domain, federation, site, nonce, coordinator key). */
export function signHandshake(context: HandshakeContext, secretKey: Uint8Array): Uint8Array {
  return signPayload(signDomains.handshake, handshakePayload(context), secretKey).signature;
}

/**
 * Verify a connection's signature.
 *
 * @throws AuthError SIGNATURE_INVALID
 */
export function verifyHandshake(
  context: HandshakeContext,
  signature: Uint8Array,
  publicKey: Uint8Array,
): void {
  verifyPayload(
    signDomains.handshake,
    { payload: handshakePayload(context), signature },
    publicKey,
  );
}
