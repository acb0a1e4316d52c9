/** How a session begins: by the secret in the address, by the cookie that is there, or not yet. */
import { ApiError, command, read } from '../api/client.ts';
import { sessionSchema, type Session } from '../api/schemas.ts';

/** Where the page stands. */
export type SessionState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'signed-in'; readonly session: Session }
  | { readonly kind: 'signed-out'; readonly notice?: string };

/** Take the secret of a sign-in link out of the address, so that neither history nor a screenshot has it. */
export function takeSignInSecret(): string | undefined {
  const secret = /^#signin=([A-Za-z0-9_-]{43})$/.exec(window.location.hash)?.[1];
  if (secret !== undefined) window.history.replaceState(null, '', window.location.pathname);
  return secret;
}

/** Begin with what is there. */
export async function beginSession(secret: string | undefined): Promise<SessionState> {
  try {
    const session =
      secret === undefined
        ? await read('/v1/sessions/current', sessionSchema)
        : await command('POST', '/v1/sessions', sessionSchema, { signInSecret: secret });
    return { kind: 'signed-in', session };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (secret !== undefined) return { kind: 'signed-out', notice: linkNotice };
    return error.isSignedOut
      ? { kind: 'signed-out' }
      : { kind: 'signed-out', notice: error.message };
  }
}

const linkNotice =
  'This sign-in link was used already or is older than five minutes. Make a new one, or sign in with a token.';
