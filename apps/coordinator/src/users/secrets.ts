/** Secrets of sessions and sign-in links: 256 random bits, kept as hashes alone. */
import { toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces, randomBytes } from '#core/crypto';

/** What a secret is for; one hash never stands for both. */
export type SecretPurpose = 'session' | 'sign-in-link';

/** Draw a secret. */
export function newSecret(): string {
  return Buffer.from(randomBytes(32)).toString('base64url');
}

/** Hash a secret for keeping and look-up: 64 hexadecimal digits. */
export function secretHash(purpose: SecretPurpose, secret: string): string {
  return toHex(blake2b256(encodePieces([utf8(`melo/1/${purpose}`), utf8(secret)])));
}
