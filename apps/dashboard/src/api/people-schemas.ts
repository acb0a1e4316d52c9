/** What the page uses of the coordinator's answers about people: ways in, accounts, sessions, API tokens. */
import { z } from 'zod';
import { nextCursor, roleSchema } from './schemas.ts';

const timeMs = z.number();

/** Who vouches for people beside local accounts. */
export const providersSchema = z.object({
  providers: z.array(z.object({ provider: z.string(), label: z.string() })),
});
/** One who vouches for people. */
export type Provider = z.infer<typeof providersSchema>['providers'][number];

const passwordState = z.enum(['none', 'temporary', 'own']);

/** One account. */
export const userSchema = z.object({
  user: z.string(),
  role: roleSchema,
  site: z.string().nullable(),
  status: z.enum(['active', 'suspended']),
  reason: z.string().nullable(),
  version: z.number(),
  createdAtMs: timeMs,
  lastSignInAtMs: timeMs.nullable(),
  password: passwordState,
  hasSecondFactor: z.boolean(),
  issuer: z.string().nullable(),
});
/** One account. */
export type User = z.infer<typeof userSchema>;
/** The accounts. */
export const usersSchema = z.object({ users: z.array(userSchema), nextCursor });
/** An account with the password that was made for it. */
export const newPasswordSchema = z.object({
  user: userSchema,
  temporaryPassword: z.string().nullable(),
});

/** The own account. */
export const accountSchema = z.object({
  user: z.string(),
  role: roleSchema,
  site: z.string().nullable(),
  createdAtMs: timeMs,
  password: passwordState,
  hasSecondFactor: z.boolean(),
  recoveryCodesLeft: z.number(),
  issuer: z.string().nullable(),
});
/** The own account. */
export type Account = z.infer<typeof accountSchema>;

/** The secret of an authenticator. */
export const authenticatorSchema = z.object({ secret: z.string(), uri: z.string() });
/** The secret of an authenticator. */
export type Authenticator = z.infer<typeof authenticatorSchema>;
/** Codes for the day when the authenticator is lost. */
export const recoveryCodesSchema = z.object({ recoveryCodes: z.array(z.string()) });

/** The own sessions, newest first. */
export const sessionsSchema = z.object({
  sessions: z.array(z.object({ begunAtMs: timeMs, expiresAtMs: timeMs, isCurrent: z.boolean() })),
});
/** One session. */
export type OwnSession = z.infer<typeof sessionsSchema>['sessions'][number];

/** One API token. */
export const tokenSchema = z.object({
  token: z.string(),
  name: z.string(),
  owner: z.string().nullable(),
  scopes: z.array(z.string()),
  createdAtMs: timeMs,
  expiresAtMs: timeMs,
  lastUsedAtMs: timeMs.nullable(),
});
/** One API token. */
export type Token = z.infer<typeof tokenSchema>;
/** API tokens. */
export const tokensSchema = z.object({ tokens: z.array(tokenSchema), nextCursor });
/** A token that was made, with what is shown once. */
export const newTokenSchema = z.object({ token: tokenSchema, secret: z.string() });
