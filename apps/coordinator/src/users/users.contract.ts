/** REST routes of sessions: sign-in, the present session, sign-out. */
import { z } from 'zod';
import { siteIdSchema } from '#core/protocol';
import {
  commandRoles,
  defineRoute,
  nothing,
  ownAnswer,
  readRoles,
  roleSchema,
  timeMs,
} from '../common/contract.ts';
import { passwordSchema, userNameSchema } from './accounts.contract.ts';

/** Form of the secret of a session or a link: 32 bytes in base64url. */
export const secretPattern = /^[A-Za-z0-9_-]{43}$/;

/** Who is signed in, and for how long. */
export const sessionViewSchema = z.strictObject({
  /** The account; null for the administrator's token. */
  user: userNameSchema.nullable(),
  role: roleSchema,
  /** The site of a steward; null for other roles. */
  site: siteIdSchema.nullable(),
  /** What the account has to set before it may do anything else; null where nothing is left. */
  setup: z.enum(['password', 'second-factor']).nullable(),
  /** The session's end at the latest; null for a bearer token. */
  expiresAtMs: timeMs.nullable(),
  /** Milliseconds without a person's doing after which the session ends; null for a bearer token. */
  idleMs: z.number().int().nullable(),
});
/** Who is signed in, and for how long. */
export type SessionView = z.infer<typeof sessionViewSchema>;

/** A token, the secret of a sign-in link, or a name and a password. */
export const signInSchema = z.union([
  z.strictObject({ token: z.string().min(1).max(256) }),
  z.strictObject({
    signInSecret: z.string().regex(secretPattern, 'expected the secret of a link'),
  }),
  z.strictObject({
    user: z.string().min(1).max(64),
    password: passwordSchema,
    /** Of the authenticator, or a recovery code; SECOND_FACTOR_REQUIRED says that it is asked for. */
    code: z.string().min(1).max(64).exactOptional(),
  }),
]);
/** A token, the secret of a sign-in link, or a name and a password. */
export type SignIn = z.infer<typeof signInSchema>;
/** A name and a password. */
export type PasswordSignIn = Extract<SignIn, { readonly password: string }>;

/** REST routes of sessions. */
export const userRoutes = {
  createLink: defineRoute({
    method: 'POST',
    path: '/v1/sign-in-links',
    summary: "Make a link that signs in once, within five minutes, on the coordinator's machine",
    roles: commandRoles,
    response: z.strictObject({ url: z.string(), expiresAtMs: timeMs }),
    status: 201,
  }),
  signIn: defineRoute({
    method: 'POST',
    path: '/v1/sessions',
    summary:
      "Sign a browser in with name and password, a token or the secret of a link: sets the session's cookie",
    roles: 'public',
    body: signInSchema,
    response: sessionViewSchema,
    status: 201,
    refusals: [
      'UNAUTHENTICATED',
      'SECOND_FACTOR_REQUIRED',
      'FORBIDDEN',
      'TLS_REQUIRED',
      'STORE_UNAVAILABLE',
      'SHUTTING_DOWN',
      'DISK_FULL',
    ],
  }),
  list: defineRoute({
    method: 'GET',
    path: '/v1/sessions',
    summary: "List the caller's own sessions, the newest first",
    roles: readRoles,
    response: z.strictObject({
      sessions: z.array(
        z.strictObject({ begunAtMs: timeMs, expiresAtMs: timeMs, isCurrent: z.boolean() }),
      ),
    }),
    forSteward: ownAnswer,
  }),
  signOutEverywhere: defineRoute({
    method: 'DELETE',
    path: '/v1/sessions',
    summary: "Sign out everywhere: ends every session of the caller's, this one too",
    roles: readRoles,
    isForSetup: true,
    response: z.strictObject({ ended: z.number().int() }),
    forSteward: ownAnswer,
  }),
  current: defineRoute({
    method: 'GET',
    path: '/v1/sessions/current',
    summary: 'Tell who is signed in',
    roles: readRoles,
    isForSetup: true,
    response: sessionViewSchema,
    forSteward: ownAnswer,
  }),
  signOut: defineRoute({
    method: 'DELETE',
    path: '/v1/sessions/current',
    summary: 'Sign out: ends the session and takes its cookie away',
    roles: readRoles,
    scope: 'read',
    isForSetup: true,
    response: nothing,
    forSteward: ownAnswer,
  }),
} as const;
