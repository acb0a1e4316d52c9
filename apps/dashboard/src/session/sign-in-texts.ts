/** What is said where a sign-in is refused. */
import type { ApiError } from '../api/client.ts';

const refusals: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: 'The identity provider did not vouch for you. Try again.',
  FORBIDDEN:
    'The identity provider vouches for you, and none of your groups has access here. Ask an administrator.',
  SECOND_FACTOR_REQUIRED:
    'The identity provider vouches for you, and not for the way to sign in that is asked for here. Sign in there with a second factor.',
  TLS_REQUIRED: 'Sign-in needs https: open the https address of this page.',
  IDENTITY_PROVIDER_UNREACHABLE: 'The identity provider does not answer. Try again later.',
};

/** For a browser that comes back from an identity provider with a refusal. */
export function refusalNotice(code: string): string {
  return refusals[code] ?? `The sign-in was refused (${code}). Try again later.`;
}

/** For a name and a password, with or without a code. */
export function passwordFailure(error: ApiError, hasCode: boolean): string {
  if (error.code !== 'UNAUTHENTICATED') return error.message;
  return hasCode
    ? 'The code is not right now, or was used. Wait for the next one, or use a recovery code.'
    : 'Name and password do not go together, or the account may not sign in.';
}

/** For the present password of somebody who is signed in, and a code beside it. */
export function confirmationFailure(error: ApiError): string {
  if (error.code === 'RATE_LIMITED' && error.retryAfterSeconds !== null) {
    return `Too many tries have failed. Try again in ${error.retryAfterSeconds} s.`;
  }
  if (error.code !== 'FORBIDDEN') return error.message;
  return 'The present password, or the code, is not right.';
}
