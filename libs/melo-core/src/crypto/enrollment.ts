/**
 * Enrolment: a one-time code that pins the coordinator, and the site's proof that it holds both of its keys.
 *
 * The code is 'melo1.' and base64url of: secret (16 bytes), fingerprint of the coordinator's Ed25519 key (32),
 * address (UTF-8), checksum (the first 4 bytes of BLAKE2b-256 over everything before it).
 */
import sodium from 'libsodium-wrappers';
import { concatBytes, fromHex, fromUtf8, toHex, utf8 } from '#core/bytes';
import { AuthError, InputError } from '#core/errors';
import {
  agree,
  blake2b256,
  checkBytes,
  constantTimeEqual,
  encodePieces,
  fingerprint,
  keyedBlake2b256,
  randomBytes,
  type AgreementKeyPair,
  type SigningKeyPair,
} from './primitives.ts';
import { signDomains, signPayload, verifyPayload } from './signing.ts';

const prefix = 'melo1.';
const secretBytes = 16;
const fingerprintBytes = 32;
const checksumBytes = 4;
const urlBytesMax = 512;

/** What a code carries. */
export interface EnrollmentCode {
  /** Address of the coordinator, http or https. */
  readonly url: string;
  /** Fingerprint of the coordinator's Ed25519 key, 64 hexadecimal digits. */
  readonly coordinatorFingerprint: string;
  /** 16 bytes, used once. */
  readonly secret: Uint8Array;
}

const base64url = sodium.base64_variants.URLSAFE_NO_PADDING;

const checksumOf = (body: Uint8Array): Uint8Array =>
  blake2b256(encodePieces([utf8('melo/1/enrollment-code'), body])).subarray(0, checksumBytes);

function malformed(what: string, cause?: unknown): InputError {
  return new InputError(
    'ENROLLMENT_CODE_MALFORMED',
    `enrolment code: expected the whole code as the administrator's screen showed it, ${what}; copy it again`,
    {},
    { cause },
  );
}

/** Write a code as text. */
export function encodeEnrollmentCode(code: EnrollmentCode): string {
  const url = utf8(code.url);
  if (url.length > urlBytesMax) throw new RangeError(`url: expected ${urlBytesMax} bytes at most`);
  const body = concatBytes(
    checkBytes(code.secret, secretBytes, 'secret'),
    checkBytes(fromHex(code.coordinatorFingerprint), fingerprintBytes, 'fingerprint'),
    url,
  );
  return prefix + sodium.to_base64(concatBytes(body, checksumOf(body)), base64url);
}

/** Make a one-time code; only `secretHash` is stored. */
export function createEnrollmentCode(options: {
  readonly url: string;
  readonly coordinatorPublicKey: Uint8Array;
}): { readonly code: string; readonly secretHash: string } {
  const secret = randomBytes(secretBytes);
  const coordinatorFingerprint = fingerprint(options.coordinatorPublicKey);
  const code = encodeEnrollmentCode({ url: options.url, coordinatorFingerprint, secret });
  return { code, secretHash: enrollmentSecretHash(secret) };
}

/** Hash a code's secret for storage and look-up: 64 hexadecimal digits. */
export function enrollmentSecretHash(secret: Uint8Array): string {
  return toHex(blake2b256(encodePieces([utf8('melo/1/enrollment-secret'), secret])));
}

/**
 * Read a code as a person pasted it: white space is ignored.
 *
 * @throws InputError ENROLLMENT_CODE_MALFORMED, never repeating the code
 */
export function parseEnrollmentCode(text: string): EnrollmentCode {
  const compact = text.replace(/\s+/g, '');
  if (!compact.startsWith(prefix)) throw malformed(`this does not begin with ${prefix}`);
  if (compact.length > 2048) throw malformed('this is too long');
  let bytes: Uint8Array;
  try {
    bytes = sodium.from_base64(compact.slice(prefix.length), base64url);
  } catch (cause) {
    throw malformed('a character is wrong', cause);
  }
  const body = bytes.subarray(0, -checksumBytes);
  if (
    body.length <= secretBytes + fingerprintBytes ||
    !constantTimeEqual(bytes.subarray(-checksumBytes), checksumOf(body))
  ) {
    throw malformed('a part is missing or changed');
  }
  const url = fromUtf8(body.subarray(secretBytes + fingerprintBytes));
  if (!/^https?:\/\/[^\s]+$/.test(url))
    throw malformed('the address in it is neither http nor https');
  return {
    url,
    coordinatorFingerprint: toHex(body.subarray(secretBytes, secretBytes + fingerprintBytes)),
    secret: body.slice(0, secretBytes),
  };
}

/** What the proof of possession covers. */
export interface EnrollmentContext {
  readonly federation: string;
  readonly secret: Uint8Array;
  /** The coordinator's single-use nonce, 32 bytes. */
  readonly nonce: Uint8Array;
  /** The site's Ed25519 and X25519 public keys, 32 bytes each. */
  readonly signingPublicKey: Uint8Array;
  readonly agreementPublicKey: Uint8Array;
}

/** Proof of possession of both keys. */
export interface EnrollmentProof {
  /** Ed25519 signature, 64 bytes. */
  readonly signature: Uint8Array;
  /** BLAKE2b-256 under the agreed key, 32 bytes. */
  readonly mac: Uint8Array;
}

function enrollmentPayload(context: EnrollmentContext): Uint8Array {
  return encodePieces([
    utf8(context.federation),
    fromHex(enrollmentSecretHash(context.secret)),
    checkBytes(context.nonce, 32, 'nonce'),
    checkBytes(context.signingPublicKey, 32, 'signing key'),
    checkBytes(context.agreementPublicKey, 32, 'agreement key'),
  ]);
}

function enrollmentMac(shared: Uint8Array, payload: Uint8Array): Uint8Array {
  const key = blake2b256(encodePieces([utf8('melo/1/enrollment-key'), shared]));
  return keyedBlake2b256(key, payload);
}

/** Prove possession of both keys to the coordinator whose X25519 key is given. */
export function proveEnrollment(options: {
  readonly context: EnrollmentContext;
  readonly signing: SigningKeyPair;
  readonly agreement: AgreementKeyPair;
  readonly coordinatorAgreementPublicKey: Uint8Array;
}): EnrollmentProof {
  const payload = enrollmentPayload(options.context);
  const shared = agree(options.agreement.secretKey, options.coordinatorAgreementPublicKey);
  return {
    signature: signPayload(signDomains.enrollment, payload, options.signing.secretKey).signature,
    mac: enrollmentMac(shared, payload),
  };
}

/**
 * Verify a site's proof of possession.
 *
 * @throws AuthError ENROLLMENT_PROOF_INVALID
 */
export function verifyEnrollment(options: {
  readonly context: EnrollmentContext;
  readonly proof: EnrollmentProof;
  readonly coordinatorAgreement: AgreementKeyPair;
}): void {
  const { context, proof } = options;
  try {
    const payload = enrollmentPayload(context);
    verifyPayload(
      signDomains.enrollment,
      { payload, signature: proof.signature },
      context.signingPublicKey,
    );
    const shared = agree(options.coordinatorAgreement.secretKey, context.agreementPublicKey);
    if (constantTimeEqual(proof.mac, enrollmentMac(shared, payload))) return;
  } catch (cause) {
    throw invalidProof(cause);
  }
  throw invalidProof();
}

function invalidProof(cause?: unknown): AuthError {
  return new AuthError(
    'ENROLLMENT_PROOF_INVALID',
    'enrolment: expected proof of both keys, it does not verify; run `melo agent enroll` again with a new code',
    {},
    { cause },
  );
}

/**
 * Name a site by both of its public keys: what the site prints and the administrator compares before approving.
 *
 * BLAKE2b-256 of encodePieces(['melo/1/site-keys', Ed25519 key, X25519 key]), 64 hexadecimal digits.
 */
export function siteFingerprint(
  signingPublicKey: Uint8Array,
  agreementPublicKey: Uint8Array,
): string {
  return toHex(
    blake2b256(
      encodePieces([
        utf8('melo/1/site-keys'),
        checkBytes(signingPublicKey, 32, 'signing key'),
        checkBytes(agreementPublicKey, 32, 'agreement key'),
      ]),
    ),
  );
}
