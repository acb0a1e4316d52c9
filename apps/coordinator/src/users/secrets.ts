/** Secrets of sessions, sign-in links, tokens and people: drawn at random, kept as hashes alone. */
import { toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces, randomBytes } from '#core/crypto';

/** What a secret is for; one hash never stands for both. */
export type SecretPurpose = 'session' | 'sign-in-link' | 'sign-in' | 'api-token' | 'recovery-code';

/** How every API token begins, so that one in a log or a repository is found. */
export const apiTokenPrefix = 'melo_token_';

/** Draw a secret of 256 bits. */
export function newSecret(): string {
  return Buffer.from(randomBytes(32)).toString('base64url');
}

/** Letters and digits that nobody takes for another: 32 of them, 5 bits each. */
const readableAlphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const readableGroups = 6;
const groupLetters = 4;

/** Draw a secret of 120 bits that a person can type: six groups of four. */
export function newReadableSecret(): string {
  const letters = [...randomBytes(readableGroups * groupLetters)].map(
    (byte) => readableAlphabet[byte % readableAlphabet.length] ?? '',
  );
  return Array.from({ length: readableGroups }, (_, group) =>
    letters.slice(group * groupLetters, (group + 1) * groupLetters).join(''),
  ).join('-');
}

/** Hash a secret for keeping and look-up: 64 hexadecimal digits. */
export function secretHash(purpose: SecretPurpose, secret: string): string {
  return toHex(blake2b256(encodePieces([utf8(`melo/1/${purpose}`), utf8(secret)])));
}
