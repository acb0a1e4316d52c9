/** Who is signed in: by the secret in the address, by the cookie that is there, or nobody yet. */
import { useSyncExternalStore } from 'react';
import { request } from '#api';
import { ApiError, send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { answerOfCommand, sessionSchema, type Session } from '../api/schemas.ts';
import { refusalNotice } from './sign-in-texts.ts';

/** Where the page stands. */
export type SessionState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'signed-in'; readonly session: Session }
  | { readonly kind: 'signed-out'; readonly notice?: string };

/** What the address brought along. */
export interface Arrival {
  /** Of a sign-in link. */
  readonly secret?: string;
  /** Code of the refusal with which an identity provider's browser comes back. */
  readonly refusal?: string;
}

const whoIsThere = request('GET', '/v1/sessions/current', sessionSchema);
const endedNotice = 'Your session has ended. Sign in again.';
const linkNotice =
  'This sign-in link was used already or is older than five minutes. Make a new one, or sign in by name.';

let state: SessionState = { kind: 'unknown' };
let isChanging = false;
const listeners = new Set<() => void>();

function become(next: SessionState): void {
  state = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Where the page stands. */
export function useSessionState(): SessionState {
  return useSyncExternalStore(subscribe, () => state);
}

/** Who is signed in. */
export function useSession(): Session | undefined {
  const now = useSessionState();
  return now.kind === 'signed-in' ? now.session : undefined;
}

/** Take what a sign-in left out of the address, so that neither history nor a screenshot has it. */
export function takeArrival(): Arrival {
  const [, secret] = /^#signin=([A-Za-z0-9_-]{43})$/.exec(window.location.hash) ?? [];
  const [, refusal] = /^#sign-in-refused=([A-Z_]{1,64})$/.exec(window.location.hash) ?? [];
  if (secret === undefined && refusal === undefined) return {};
  window.history.replaceState(null, '', window.location.pathname);
  return secret === undefined ? { refusal: refusal ?? '' } : { secret };
}

/** Begin with what is there. */
export async function beginSession({ secret, refusal }: Arrival): Promise<void> {
  try {
    const signIn =
      secret === undefined
        ? whoIsThere
        : request('POST', '/v1/sessions', sessionSchema, { body: { signInSecret: secret } });
    noteSignedIn(await send(signIn));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (secret !== undefined) noteSignedOut(linkNotice);
    else if (!error.isSignedOut) noteSignedOut(error.message);
    else noteSignedOut(refusal === undefined ? undefined : refusalNotice(refusal));
  }
}

/** Somebody has signed in. */
export function noteSignedIn(session: Session): void {
  become({ kind: 'signed-in', session });
}

/** Nobody is signed in any more. `notice` says why. */
export function noteSignedOut(notice?: string): void {
  become({ kind: 'signed-out', ...(notice === undefined ? {} : { notice }) });
}

/** Sign out, here or everywhere. */
export async function signOut(where: 'here' | 'everywhere' = 'here'): Promise<void> {
  const path = where === 'here' ? '/v1/sessions/current' : '/v1/sessions';
  try {
    await send(request('DELETE', path, answerOfCommand));
  } catch (error) {
    if (!(error instanceof ApiError && error.isSignedOut)) throw error;
  }
  noteSignedOut();
}

/** Look again who is signed in, after something was refused for want of a sign-in or an account was set up. */
export async function checkSession(): Promise<void> {
  if (isChanging || state.kind !== 'signed-in') return;
  try {
    noteSignedIn(await send(whoIsThere));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.isSignedOut) noteSignedOut(endedNotice);
  }
}

/** Do what ends this session and begins another, as a new password does: what is refused meanwhile is no sign-out. */
export async function changeSession(work: () => Promise<unknown>): Promise<void> {
  isChanging = true;
  try {
    await live.apart(work);
  } finally {
    isChanging = false;
  }
  await checkSession();
}
