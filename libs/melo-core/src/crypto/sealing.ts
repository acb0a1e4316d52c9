/**
 * Sealed updates, encrypted versions and wrapped secrets: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with random
 * 24-byte nonces, keys from X25519 and BLAKE2b. docs/crypto.md has every byte and vectors.
 */
import sodium from 'libsodium-wrappers';
import { concatBytes, fromHex, toHex, uint64le, utf8 } from '#core/bytes';
import { AuthError, ProtocolError } from '#core/errors';
import {
  agree,
  agreementKeyPairFromSecret,
  blake2b256,
  checkBytes,
  encodePieces,
  eraseBytes,
  randomBytes,
  type AgreementKeyPair,
} from './primitives.ts';

const nonceBytes = 24;
const tagBytes = 16;
const keyBytes = 32;

function encrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array,
): Uint8Array {
  return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated, null, nonce, key);
}

/** Decrypt, or return null where the tag does not fit. */
function decrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  associated: Uint8Array,
): Uint8Array | null {
  try {
    return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
      null,
      ciphertext,
      associated,
      nonce,
      key,
    );
  } catch {
    return null; // libsodium throws one error for every reason, and the caller names the refusal
  }
}

/** What an update is bound to: it opens nowhere else. */
export interface UpdateContext {
  readonly federation: string;
  readonly task: string;
  readonly round: number;
  readonly attempt: number;
  readonly site: string;
  /** 64 hexadecimal digits. */
  readonly layoutHash: string;
}

function updateAssociatedData(context: UpdateContext): Uint8Array {
  return encodePieces([
    utf8('melo/1/update'),
    utf8(context.federation),
    utf8(context.task),
    uint64le(context.round),
    uint64le(context.attempt),
    utf8(context.site),
    checkBytes(fromHex(context.layoutHash), 32, 'layout hash'),
  ]);
}

function updateKey(parts: {
  readonly shared: Uint8Array;
  readonly ephemeralPublicKey: Uint8Array;
  readonly roundPublicKey: Uint8Array;
  readonly roundOpenDigest: string;
}): Uint8Array {
  const digest = checkBytes(fromHex(parts.roundOpenDigest), 32, 'RoundOpen digest');
  return blake2b256(
    encodePieces([
      utf8('melo/1/update-key'),
      parts.shared,
      parts.ephemeralPublicKey,
      parts.roundPublicKey,
      digest,
    ]),
  );
}

/** Seal with given randomness: for the vectors of docs/crypto.md; everyone else calls {@link sealUpdate}. */
export function sealUpdateWith(options: {
  readonly plaintext: Uint8Array;
  readonly roundPublicKey: Uint8Array;
  readonly roundOpenDigest: string;
  readonly context: UpdateContext;
  readonly ephemeralSecretKey: Uint8Array;
  readonly nonce: Uint8Array;
}): { readonly ciphertext: Uint8Array; readonly ephemeralPublicKey: Uint8Array } {
  const { publicKey: ephemeralPublicKey, secretKey } = agreementKeyPairFromSecret(
    options.ephemeralSecretKey,
  );
  const shared = agree(secretKey, options.roundPublicKey);
  const key = updateKey({ ...options, shared, ephemeralPublicKey });
  const body = encrypt(
    key,
    checkBytes(options.nonce, nonceBytes, 'nonce'),
    options.plaintext,
    updateAssociatedData(options.context),
  );
  eraseBytes(shared);
  eraseBytes(key);
  return { ciphertext: concatBytes(ephemeralPublicKey, options.nonce, body), ephemeralPublicKey };
}

/**
 * Seal an update once for one (round, attempt): ephemeral X25519 key (32) || nonce (24) || XChaCha20-Poly1305.
 *
 * The ephemeral secret is forgotten here: a retry sends the same bytes, it never seals again.
 */
export function sealUpdate(options: {
  readonly plaintext: Uint8Array;
  readonly roundPublicKey: Uint8Array;
  /** 64 hexadecimal digits. */
  readonly roundOpenDigest: string;
  readonly context: UpdateContext;
}): { readonly ciphertext: Uint8Array; readonly ephemeralPublicKey: Uint8Array } {
  const ephemeralSecretKey = randomBytes(32);
  try {
    return sealUpdateWith({ ...options, ephemeralSecretKey, nonce: randomBytes(nonceBytes) });
  } finally {
    eraseBytes(ephemeralSecretKey);
  }
}

/**
 * Open a sealed update.
 *
 * @throws ProtocolError SEAL_INVALID where it is truncated, changed, or sealed for another round, attempt, site or layout
 */
export function openUpdate(options: {
  readonly ciphertext: Uint8Array;
  readonly roundKeyPair: AgreementKeyPair;
  readonly roundOpenDigest: string;
  readonly context: UpdateContext;
}): Uint8Array {
  const { ciphertext, roundKeyPair, context } = options;
  const plaintext = ciphertext.length < 32 + nonceBytes + tagBytes ? null : openBody(options);
  if (plaintext !== null) return plaintext;
  throw new ProtocolError(
    'SEAL_INVALID',
    `update of ${context.site}: expected ${context.task} round ${context.round} attempt ${context.attempt} sealed to this round's key, ` +
      `these ${ciphertext.length} bytes do not open; send the outbox file as it is, or a new attempt`,
    {
      task: context.task,
      round: context.round,
      attempt: context.attempt,
      keyBytes: roundKeyPair.publicKey.length,
    },
    { sites: [context.site] },
  );
}

function openBody(options: Parameters<typeof openUpdate>[0]): Uint8Array | null {
  const { ciphertext, roundKeyPair, roundOpenDigest, context } = options;
  const ephemeralPublicKey = ciphertext.subarray(0, 32);
  const nonce = ciphertext.subarray(32, 32 + nonceBytes);
  let shared: Uint8Array;
  try {
    shared = agree(roundKeyPair.secretKey, ephemeralPublicKey);
  } catch {
    return null; // a point of low order: refused like any other seal that does not open
  }
  const key = updateKey({
    shared,
    ephemeralPublicKey,
    roundPublicKey: roundKeyPair.publicKey,
    roundOpenDigest,
  });
  const plaintext = decrypt(
    key,
    nonce,
    ciphertext.subarray(32 + nonceBytes),
    updateAssociatedData(context),
  );
  eraseBytes(shared);
  eraseBytes(key);
  return plaintext;
}

const adapterAssociatedData = (digest: string): Uint8Array =>
  encodePieces([utf8('melo/1/adapter'), checkBytes(fromHex(digest), 32, 'adapter digest')]);

/** Encrypt a version's file once under its content key: nonce (24) || XChaCha20-Poly1305, bound to the plaintext's digest. */
export function encryptAdapter(options: {
  readonly plaintext: Uint8Array;
  readonly contentKey: Uint8Array;
}): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const digest = toHex(blake2b256(options.plaintext));
  const key = checkBytes(options.contentKey, keyBytes, 'content key');
  return concatBytes(nonce, encrypt(key, nonce, options.plaintext, adapterAssociatedData(digest)));
}

/**
 * Decrypt a version's file and check that it is the one that was promised.
 *
 * @throws ProtocolError DIGEST_MISMATCH
 */
export function decryptAdapter(options: {
  readonly ciphertext: Uint8Array;
  readonly contentKey: Uint8Array;
  /** BLAKE2b-256 of the plaintext, 64 hexadecimal digits. */
  readonly digest: string;
}): Uint8Array {
  const { ciphertext, contentKey, digest } = options;
  const nonce = ciphertext.subarray(0, nonceBytes);
  const body = ciphertext.subarray(nonceBytes);
  const plaintext =
    body.length < tagBytes
      ? null
      : decrypt(
          checkBytes(contentKey, keyBytes, 'content key'),
          nonce,
          body,
          adapterAssociatedData(digest),
        );
  if (plaintext === null || toHex(blake2b256(plaintext)) !== digest) {
    throw new ProtocolError(
      'DIGEST_MISMATCH',
      `adapter: expected the version with digest ${digest.slice(0, 16)}..., the bytes do not decrypt to it; fetch it again`,
      { digest },
    );
  }
  return plaintext;
}

/** Seal a content key to one site (crypto_box_seal, anonymous X25519 box): 80 bytes for 32. */
export function sealContentKey(contentKey: Uint8Array, recipientPublicKey: Uint8Array): Uint8Array {
  return sodium.crypto_box_seal(
    checkBytes(contentKey, keyBytes, 'content key'),
    checkBytes(recipientPublicKey, 32, 'public key'),
  );
}

/**
 * Open a sealed content key.
 *
 * @throws ProtocolError SEAL_INVALID
 */
export function openContentKey(sealed: Uint8Array, keyPair: AgreementKeyPair): Uint8Array {
  try {
    return checkBytes(
      sodium.crypto_box_seal_open(sealed, keyPair.publicKey, keyPair.secretKey),
      keyBytes,
      'content key',
    );
  } catch (cause) {
    throw new ProtocolError(
      'SEAL_INVALID',
      'content key: expected a key sealed to this site, it does not open; enrol again if the key was renewed',
      {},
      { cause },
    );
  }
}

const wrapAssociatedData = (purpose: string): Uint8Array =>
  encodePieces([utf8('melo/1/wrap'), utf8(purpose)]);

/** Wrap a secret for storage: nonce (24) || XChaCha20-Poly1305 under the 32-byte wrapping key, bound to its purpose. */
export function wrapSecret(options: {
  readonly secret: Uint8Array;
  readonly wrappingKey: Uint8Array;
  readonly purpose: string;
}): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const key = checkBytes(options.wrappingKey, keyBytes, 'wrapping key');
  return concatBytes(
    nonce,
    encrypt(key, nonce, options.secret, wrapAssociatedData(options.purpose)),
  );
}

/**
 * Unwrap a stored secret.
 *
 * @throws AuthError KEY_FILE_INVALID where the key file is not the one it was wrapped with
 */
export function unwrapSecret(options: {
  readonly wrapped: Uint8Array;
  readonly wrappingKey: Uint8Array;
  readonly purpose: string;
}): Uint8Array {
  const { wrapped, wrappingKey, purpose } = options;
  const secret = decrypt(
    checkBytes(wrappingKey, keyBytes, 'wrapping key'),
    wrapped.subarray(0, nonceBytes),
    wrapped.subarray(nonceBytes),
    wrapAssociatedData(purpose),
  );
  if (secret === null) {
    throw new AuthError(
      'KEY_FILE_INVALID',
      `${purpose}: expected a secret wrapped by this key file, it does not open; restore the key file that belongs to this database`,
      { purpose },
    );
  }
  return secret;
}
