/** REST routes of people: sign-in, the present session, sign-out. */
import { z } from 'zod';
import { commandRoles, defineRoute, readRoles, roleSchema, timeMs } from '../common/contract.ts';

/** Form of the secret of a session or a link: 32 bytes in base64url. */
export const secretPattern = /^[A-Za-z0-9_-]{43}$/;

/** Who is signed in, and for how long. */
export const sessionViewSchema = z.strictObject({
  role: roleSchema,
  /** The session's end at the latest; null for a bearer token. */
  expiresAtMs: timeMs.nullable(),
  /** Milliseconds without a person's doing after which the session ends; null for a bearer token. */
  idleMs: z.number().int().nullable(),
});
/** Who is signed in, and for how long. */
export type SessionView = z.infer<typeof sessionViewSchema>;

/** Either a token or the secret of a sign-in link. */
export const signInSchema = z.union([
  z.strictObject({ token: z.string().min(1).max(256) }),
  z.strictObject({
    signInSecret: z.string().regex(secretPattern, 'expected the secret of a link'),
  }),
]);
/** Either a token or the secret of a sign-in link. */
export type SignIn = z.infer<typeof signInSchema>;

/** REST routes of people. */
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
    summary: "Sign a browser in with a token or the secret of a link: sets the session's cookie",
    roles: 'public',
    body: signInSchema,
    response: sessionViewSchema,
    status: 201,
  }),
  current: defineRoute({
    method: 'GET',
    path: '/v1/sessions/current',
    summary: 'Tell who is signed in',
    roles: readRoles,
    response: sessionViewSchema,
  }),
  signOut: defineRoute({
    method: 'DELETE',
    path: '/v1/sessions/current',
    summary: 'Sign out: ends the session and takes its cookie away',
    roles: readRoles,
    response: z.strictObject({}),
  }),
} as const;
