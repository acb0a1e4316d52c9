/** What can be said of a new password before the coordinator looks at it, which knows more: common ones, and names. */

/** Characters of a password at least. */
export const passwordLengthMin = 12;

/** What hinders a new password, in a sentence for each field; empty where nothing does. */
export interface PasswordProblems {
  readonly password?: string;
  readonly repeated?: string;
}

/** Look at a new password and its repetition; what was not typed yet is no problem. */
export function problemsOfPassword(password: string, repeated: string): PasswordProblems {
  const length = Array.from(password).length;
  if (password !== '' && length < passwordLengthMin) {
    return { password: `At least ${passwordLengthMin} characters; these are ${length}.` };
  }
  return repeated === '' || repeated === password ? {} : { repeated: 'This is not the same.' };
}

/** Whether it can be sent. */
export function isWholePassword(password: string, repeated: string): boolean {
  return Array.from(password).length >= passwordLengthMin && repeated === password;
}
