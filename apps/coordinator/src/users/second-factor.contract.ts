/** REST routes of the second factor: codes of an authenticator (RFC 6238), and recovery codes for the day it is lost. */
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
import {
  ifVersion,
  passwordSchema,
  userNameSchema,
  userParams,
  userViewSchema,
} from './accounts.contract.ts';

/** Recovery codes of one account. */
export const recoveryCodesCount = 10;

/** A code of the authenticator, or a recovery code. */
export const codeSchema = z.string().min(6).max(64);

/** The caller's own account. */
export const ownAccountSchema = z.strictObject({
  user: userNameSchema,
  role: roleSchema,
  site: siteIdSchema.nullable(),
  createdAtMs: timeMs,
  password: userViewSchema.shape.password,
  hasSecondFactor: z.boolean(),
  /** Recovery codes that were not used yet. */
  recoveryCodesLeft: z.number().int(),
  issuer: z.string().nullable(),
});
/** The caller's own account. */
export type OwnAccount = z.infer<typeof ownAccountSchema>;

const recoveryCodes = z.strictObject({
  /** Shown once; each is good for one sign-in. */
  recoveryCodes: z.array(z.string()).length(recoveryCodesCount),
});

/** Of everybody, about themselves; behind the administrator's token there is no account. */
const own = { roles: readRoles, forSteward: ownAnswer, refusals: ['NOT_FOUND'] } as const;
const withCode = z.strictObject({ password: passwordSchema, code: codeSchema });

/** REST routes of the second factor. */
export const secondFactorRoutes = {
  account: defineRoute({
    ...own,
    method: 'GET',
    path: '/v1/account',
    summary: "Show the caller's own account",
    isForSetup: true,
    response: ownAccountSchema,
  }),
  enrol: defineRoute({
    ...own,
    method: 'POST',
    path: '/v1/account/second-factor',
    summary: 'Make the secret of an authenticator, shown once; a code of it must confirm it',
    isForSetup: true,
    body: z.strictObject({ password: passwordSchema }),
    response: z.strictObject({
      /** Base32, to be typed in. */
      secret: z.string(),
      /** The same as an otpauth address, to be drawn as a QR code. */
      uri: z.string(),
    }),
    status: 201,
  }),
  confirm: defineRoute({
    ...own,
    method: 'POST',
    path: '/v1/account/second-factor/confirm',
    summary: 'Confirm the secret by a code; sign-in asks for one from then on',
    isForSetup: true,
    body: z.strictObject({ code: codeSchema }),
    response: recoveryCodes,
  }),
  remove: defineRoute({
    ...own,
    method: 'POST',
    path: '/v1/account/second-factor/remove',
    summary: "Remove one's own second factor",
    body: withCode,
    response: nothing,
  }),
  renewRecoveryCodes: defineRoute({
    ...own,
    method: 'POST',
    path: '/v1/account/recovery-codes',
    summary: 'Make new recovery codes, shown once; the old ones stop working',
    body: withCode,
    response: recoveryCodes,
  }),
  removeOfUser: defineRoute({
    method: 'POST',
    path: '/v1/users/:user/second-factor/remove',
    summary: 'Remove the second factor of somebody who lost it; ends the sessions of the account',
    roles: commandRoles,
    scope: 'people',
    params: userParams,
    body: z.strictObject({ ifVersion }),
    response: userViewSchema,
  }),
} as const;
