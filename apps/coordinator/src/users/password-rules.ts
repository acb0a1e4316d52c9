/**
 * What is asked of a new password, after ASVS 5.0 6.2: 12 characters, any of them, not one that many have, nothing of the
 * account's own name, not words of what this is about alone. No rule on which kinds of characters.
 */
import { InputError } from '#core/errors';
import { commonPasswords, commonWords } from './common-passwords.ts';

/** Characters of a password at least. */
export const passwordLengthMin = 12;
/** Different characters of a password at least. */
const differentMin = 5;
/** Words of what this software is about, which whoever guesses tries first (docs/administration.md lists them). */
export const contextWords = [
  ...[
    'melo',
    'lora',
    'federation',
    'federated',
    'learning',
    'coordinator',
    'administrator',
    'admin',
  ],
  ...[
    'scientist',
    'viewer',
    'steward',
    'hospital',
    'clinic',
    'radiology',
    'xray',
    'adapter',
    'site',
  ],
  ...['backbone', 'dashboard', 'password', 'token'],
] as const;
const onlyContextWords = new RegExp(`^(?:${contextWords.join('|')})+$`);
/** Shorter parts of a name stand in many a phrase. */
const namePartMin = 4;

/**
 * Check a new password.
 *
 * @throws InputError PASSWORD_REFUSED with the reason, which never quotes it
 */
export function checkNewPassword(password: string, user: string): void {
  const reason = reasonAgainst(password.toLowerCase(), user);
  if (reason === null) return;
  throw new InputError(
    'PASSWORD_REFUSED',
    `password: expected ${reason}; a phrase of four words does`,
  );
}

function reasonAgainst(password: string, user: string): string | null {
  const characters = Array.from(password); // code points, as ASVS counts them
  if (characters.length < passwordLengthMin) {
    return `at least ${passwordLengthMin} characters, got ${characters.length}`;
  }
  if (new Set(characters).size < differentMin || isRepeated(password)) {
    return 'more than a few characters over and over';
  }
  if (isCommon(password)) return 'one that few people have, got one of the most common ones';
  if (onlyContextWords.test(password.replaceAll(/[^a-z]/g, ''))) {
    return 'more than words of what this software is about, with or without digits and signs';
  }
  const nameParts = [user, ...user.split(/[^a-z0-9]+/)].filter(
    (part) => part.length >= namePartMin || part === user,
  );
  if (nameParts.some((part) => password.includes(part))) {
    return "nothing of the account's own name, got some";
  }
  return null;
}

/** A common one as it is, or a common word with digits and signs around it. */
function isCommon(password: string): boolean {
  const letters = password.replace(/^[^a-z]+|[^a-z]+$/g, '');
  return commonPasswords.has(password) || commonWords.has(letters);
}

/** One part of it written two times or more. */
function isRepeated(password: string): boolean {
  return /^(.{1,8})\1+$/.test(password);
}
