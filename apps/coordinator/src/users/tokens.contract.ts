/** REST routes of API tokens: for programs, with scopes and an end, shown once. */
import { z } from 'zod';
import {
  defineRoute,
  nothing,
  ownAnswer,
  readRoles,
  scopeSchema,
  timeMs,
} from '../common/contract.ts';
import { keyBig, keyText, nextCursor, pageQuery } from '../common/pages.contract.ts';
import { userNameSchema } from './accounts.contract.ts';

/** Days that a token can be used at most. */
export const tokenDaysMax = 365;

/** What a token is called by: the beginning of its hash, as the audit log names it. */
const tokenIdSchema = z.string().regex(/^[0-9a-f]{8}$/, 'expected 8 hexadecimal digits');

/** A token as its owner and administrators see it. */
export const tokenViewSchema = z.strictObject({
  token: tokenIdSchema,
  /** What it is for, in its maker's words. */
  name: z.string(),
  /** Whose rights it has, as far as its scopes go; null for those of the administrator's token. */
  owner: userNameSchema.nullable(),
  scopes: z.array(scopeSchema),
  createdAtMs: timeMs,
  expiresAtMs: timeMs,
  /** To the minute; null before its first use. */
  lastUsedAtMs: timeMs.nullable(),
});
/** A token as its owner and administrators see it. */
export type TokenView = z.infer<typeof tokenViewSchema>;

/** What is asked for. */
export const newTokenBody = z.strictObject({
  name: z
    .string()
    .regex(/^[\w .:@/-]{1,64}$/, 'expected 1 to 64 letters, digits, blanks or .:@/-_'),
  scopes: z.array(scopeSchema).min(1).max(scopeSchema.options.length),
  days: z.number().int().min(1).max(tokenDaysMax).default(90),
});
/** What is asked for. */
export type NewToken = z.output<typeof newTokenBody>;

const tokensQuery = z.strictObject(
  pageQuery(z.tuple([keyBig, keyText]), { byDefault: 200, max: 1000 }),
);
/** Which tokens are listed. */
export type TokensQuery = z.output<typeof tokensQuery>;

/** REST routes of API tokens. */
export const tokenRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/tokens',
    summary: "List one's own API tokens, oldest first; administrators see those of everybody",
    roles: readRoles,
    scope: 'people',
    query: tokensQuery,
    response: z.strictObject({ tokens: z.array(tokenViewSchema), nextCursor }),
    forSteward: ownAnswer,
  }),
  create: defineRoute({
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make an API token of the caller, shown once; it can do no more than its maker',
    roles: readRoles,
    scope: 'people',
    body: newTokenBody,
    response: z.strictObject({ token: tokenViewSchema, secret: z.string() }),
    status: 201,
    forSteward: ownAnswer,
  }),
  revoke: defineRoute({
    method: 'DELETE',
    path: '/v1/tokens/:token',
    summary: "Revoke one's own API token; administrators revoke any",
    roles: readRoles,
    scope: 'people',
    params: z.strictObject({ token: tokenIdSchema.describe('What a token is called by.') }),
    response: nothing,
    forSteward: ownAnswer,
  }),
} as const;
