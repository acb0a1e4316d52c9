/** REST routes of people's accounts: who there is, what each may do, and a person's own password. */
import { z } from 'zod';
import { siteIdSchema } from '#core/protocol';
import {
  commandRoles,
  defineRoute,
  nothing,
  ownAnswer,
  pathNumber,
  plainText,
  readRoles,
  reasonBody,
  roleSchema,
  timeMs,
} from '../common/contract.ts';
import { keyText, nextCursor, pageQuery } from '../common/pages.contract.ts';

/** A person's name: what they sign in with and what the audit log says. */
export const userNameSchema = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._@-]{1,63}$/,
    'expected 2 to 64 small letters, digits, dots, dashes, underscores or @',
  );
/** Where an account stands. */
export const userStatusSchema = z.enum(['active', 'suspended']);

/** Characters of a password at most: enough for any phrase, and no work for a server to hash. */
export const passwordLengthMax = 256;
/** A password as it is sent; what is asked of a new one is another matter. */
export const passwordSchema = plainText(passwordLengthMax);

/** An account as administrators see it. */
export const userViewSchema = z.strictObject({
  user: userNameSchema,
  role: roleSchema,
  /** The site that a steward sees; null for other roles. */
  site: siteIdSchema.nullable(),
  status: userStatusSchema,
  /** Why it is suspended; null otherwise. */
  reason: z.string().nullable(),
  /** Grows with every change: what `ifVersion` is compared with. */
  version: z.number().int(),
  createdAtMs: timeMs,
  lastSignInAtMs: timeMs.nullable(),
  /** `temporary` was set by somebody else and must be changed at the first sign-in. */
  password: z.enum(['none', 'temporary', 'own']),
  hasSecondFactor: z.boolean(),
  /** Who vouches for the person elsewhere; null without single sign-on. */
  issuer: z.string().nullable(),
});
/** An account as administrators see it. */
export type UserView = z.infer<typeof userViewSchema>;

/** An account, and the password that was made for it: shown once, good for a week, changed at the first sign-in. */
export const newPasswordSchema = z.strictObject({
  user: userViewSchema,
  /** Null where the administrator chose one. */
  temporaryPassword: z.string().nullable(),
});
/** An account, and the password that was made for it. */
export type NewPassword = z.infer<typeof newPasswordSchema>;

/** Path parameters of an account. */
export const userParams = z.strictObject({
  user: userNameSchema.describe('Name of an account.'),
});
/** The version that was looked at: where another change came first it is refused. */
export const ifVersion = z.number().int().min(0).max(1e9).exactOptional();
const roleAndSite = { role: roleSchema, site: siteIdSchema.exactOptional() };

/** Routes of administrators. */
const people = { roles: commandRoles, scope: 'people' } as const;

const change = <Body extends z.ZodRawShape>(name: string, summary: string, body: Body) =>
  defineRoute({
    ...people,
    method: 'POST',
    path: `/v1/users/:user/${name}`,
    summary,
    params: userParams,
    body: z.strictObject({ ...body, ifVersion }),
    response: userViewSchema,
  });

/** REST routes of people's accounts. */
export const accountRoutes = {
  list: defineRoute({
    ...people,
    method: 'GET',
    path: '/v1/users',
    summary: 'List the people with an account by name',
    query: z.strictObject(pageQuery(z.tuple([keyText]), { byDefault: 200, max: 1000 })),
    response: z.strictObject({ users: z.array(userViewSchema), nextCursor }),
  }),
  create: defineRoute({
    ...people,
    method: 'POST',
    path: '/v1/users',
    summary: 'Make an account with a temporary password, which is shown once',
    body: z.strictObject({
      user: userNameSchema,
      ...roleAndSite,
      /** Made and answered where it is left out. */
      password: passwordSchema.exactOptional(),
    }),
    response: newPasswordSchema,
    status: 201,
    refusals: ['ALREADY_EXISTS', 'PASSWORD_REFUSED', 'NOT_FOUND'],
  }),
  get: defineRoute({
    ...people,
    method: 'GET',
    path: '/v1/users/:user',
    summary: 'Show one account',
    params: userParams,
    response: userViewSchema,
  }),
  role: change('role', "Change what somebody may do; a steward's role names a site", roleAndSite),
  suspend: change('suspend', 'Let somebody do nothing until resumed; ends their sessions', {
    reason: reasonBody.shape.reason,
  }),
  resume: change('resume', 'Let a suspended person sign in again', {}),
  resetPassword: defineRoute({
    ...people,
    method: 'POST',
    path: '/v1/users/:user/password',
    summary: 'Set a temporary password, shown once; ends the sessions of the account',
    params: userParams,
    body: z.strictObject({ password: passwordSchema.exactOptional(), ifVersion }),
    response: newPasswordSchema,
    refusals: ['PASSWORD_REFUSED'],
  }),
  remove: defineRoute({
    ...people,
    method: 'DELETE',
    path: '/v1/users/:user',
    summary: 'Remove an account with its sessions and API tokens',
    params: userParams,
    query: z.strictObject({
      ifVersion: pathNumber(0, 1e9, 'The version that was looked at.').optional(),
    }),
    response: nothing,
  }),
  changePassword: defineRoute({
    method: 'POST',
    path: '/v1/account/password',
    summary: "Change one's own password; every session of the account ends and a new one begins",
    roles: readRoles,
    isForSetup: true,
    body: z.strictObject({ currentPassword: passwordSchema, newPassword: passwordSchema }),
    response: nothing,
    refusals: ['NOT_FOUND', 'PASSWORD_REFUSED'],
    forSteward: ownAnswer,
  }),
} as const;
