/**
 * Thin wrappers over libsodium: hashes, deterministic bytes, keys. No primitive of our own.
 *
 * The module waits for libsodium once, at import; everything after that is synchronous.
 */
import { createHash } from 'node:crypto';
import sodium from 'libsodium-wrappers';
import { concatBytes, toHex, uint64le } from '#core/bytes';
import { checkInteger } from '#core/check';

await sodium.ready;

/** Hash the concatenation of the parts with unkeyed BLAKE2b-256 (RFC 7693): 32 bytes. */
export function blake2b256(...parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  const whole = parts.length === 1 && only !== undefined ? only : concatBytes(...parts);
  return sodium.crypto_generichash(32, whole, null);
}

/** Authenticate `message` with BLAKE2b-256 under a 32-byte key (RFC 7693, section 2.5): 32 bytes. */
export function keyedBlake2b256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return sodium.crypto_generichash(32, message, checkBytes(key, 32, 'key'));
}

/** A SHA-256 that takes its input in pieces. */
export interface StreamingSha256 {
  update(bytes: Uint8Array): void;
  /** The digest in hexadecimal; nothing may be added afterwards. */
  digestHex(): string;
}

/** Start a SHA-256 (FIPS 180-4); used for the backbone's fingerprint alone. */
export function sha256(): StreamingSha256 {
  const hash = createHash('sha256');
  return {
    update: (bytes) => {
      hash.update(bytes);
    },
    digestHex: () => hash.digest('hex'),
  };
}

/**
 * Expand a 32-byte seed: ChaCha20-IETF (RFC 8439) key stream with the nonce "LibsodiumDRG" and counter 0.
 *
 * @param seed   - 32 bytes; whoever knows it knows the output
 * @param length - bytes wanted, 0 to 2^30
 */
export function deterministicBytes(seed: Uint8Array, length: number): Uint8Array {
  checkInteger(length, 'length', { minimum: 0, maximum: 2 ** 30 });
  return length === 0
    ? new Uint8Array(0)
    : sodium.randombytes_buf_deterministic(length, checkBytes(seed, 32, 'seed'));
}

/** Draw bytes from the system's cryptographic generator. */
export function randomBytes(length: number): Uint8Array {
  return sodium.randombytes_buf(checkInteger(length, 'length', { minimum: 0, maximum: 65_536 }));
}

/** Compare in a time that depends on the lengths alone. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && sodium.memcmp(a, b);
}

/** Overwrite a secret that is no longer needed. */
export function eraseBytes(secret: Uint8Array): void {
  sodium.memzero(secret);
}

/**
 * Join byte strings so that no two different lists give the same bytes: PAE of PASETO (version 2, section 2.2.1).
 *
 * LE64(count) || LE64(length) || bytes || LE64(length) || bytes ...
 */
export function encodePieces(pieces: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    uint64le(pieces.length),
    ...pieces.flatMap((piece) => [uint64le(piece.length), piece]),
  );
}

/**
 * Return `bytes` if it has exactly `length` bytes.
 *
 * @throws RangeError otherwise, naming lengths alone
 */
export function checkBytes(bytes: Uint8Array, length: number, name: string): Uint8Array {
  if (bytes.length !== length)
    throw new RangeError(`${name}: expected ${length} bytes, got ${bytes.length}`);
  return bytes;
}

/** An Ed25519 key pair (RFC 8032): 32-byte public key, 64-byte secret key (seed || public key). */
export interface SigningKeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** An X25519 key pair (RFC 7748): 32 bytes each. */
export interface AgreementKeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** Make an Ed25519 key pair. */
export function generateSigningKeyPair(): SigningKeyPair {
  const { publicKey, privateKey } = sodium.crypto_sign_keypair();
  return { publicKey, secretKey: privateKey };
}

/** Derive an Ed25519 key pair from its 32-byte seed (RFC 8032, section 5.1.5). */
export function signingKeyPairFromSeed(seed: Uint8Array): SigningKeyPair {
  const { publicKey, privateKey } = sodium.crypto_sign_seed_keypair(checkBytes(seed, 32, 'seed'));
  return { publicKey, secretKey: privateKey };
}

/** Make an X25519 key pair. */
export function generateAgreementKeyPair(): AgreementKeyPair {
  const { publicKey, privateKey } = sodium.crypto_box_keypair();
  return { publicKey, secretKey: privateKey };
}

/** Derive an X25519 key pair from its 32-byte secret key. */
export function agreementKeyPairFromSecret(secretKey: Uint8Array): AgreementKeyPair {
  return {
    publicKey: sodium.crypto_scalarmult_base(checkBytes(secretKey, 32, 'secret key')),
    secretKey,
  };
}

/**
 * Agree on a shared point: X25519 (RFC 7748, section 6.1).
 *
 * @throws RangeError where the result is all zero (a point of low order, RFC 7748 section 6.1) or a length is wrong
 */
export function agree(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  checkBytes(secretKey, 32, 'secret key');
  checkBytes(publicKey, 32, 'public key');
  try {
    return sodium.crypto_scalarmult(secretKey, publicKey);
  } catch (cause) {
    throw new RangeError('public key: expected a point of full order', { cause });
  }
}

/** Name a public key: BLAKE2b-256 of it, 64 hexadecimal digits. */
export function fingerprint(publicKey: Uint8Array): string {
  return toHex(blake2b256(publicKey));
}

/** Write a fingerprint in groups of four for people to compare. */
export function formatFingerprint(hex: string): string {
  return hex.match(/.{1,4}/g)?.join(' ') ?? '';
}
