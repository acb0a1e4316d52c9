/** REST routes of single sign-on: OpenID Connect, authorization code with PKCE. A browser goes there, no program. */
import { z } from 'zod';
import { defineRoute, nothing } from '../common/contract.ts';

/** Form of a provider's name here. */
export const providerNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'expected small letters, digits and dashes');

const providerParams = z.strictObject({
  provider: providerNameSchema.describe('Name of an identity provider.'),
});
const text = z.string().max(4096);

/**
 * Where in the page somebody wanted to go: what stands behind its #. It is put behind `/#` and nowhere else, so that no value of it leads
 * away from the page.
 */
const placeSchema = z
  .string()
  .max(2048)
  .regex(/^\/(?:[A-Za-z0-9/?=&!'()*+.,_~-]|%[0-9A-Fa-f]{2})*$/, 'expected an address of the page')
  .describe('Where in the page the browser comes back to; the overview where left out.');

/** REST routes of single sign-on. */
export const singleSignOnRoutes = {
  providers: defineRoute({
    method: 'GET',
    path: '/v1/sign-in-providers',
    summary: 'List who vouches for people beside local accounts',
    roles: 'public',
    response: z.strictObject({
      providers: z.array(z.strictObject({ provider: providerNameSchema, label: z.string() })),
    }),
  }),
  begin: defineRoute({
    method: 'GET',
    path: '/v1/sign-in-providers/:provider/begin',
    summary: 'Send the browser to a provider',
    roles: 'public',
    params: providerParams,
    query: z.strictObject({ place: placeSchema.exactOptional() }),
    response: nothing,
    status: 303,
    refusals: [
      'NOT_FOUND',
      'FORBIDDEN',
      'TLS_REQUIRED',
      'IDENTITY_PROVIDER_UNREACHABLE',
      'STORE_UNAVAILABLE',
    ],
  }),
  finish: defineRoute({
    method: 'GET',
    path: '/v1/sign-in-providers/:provider/finish',
    summary:
      "Take the browser back: sets the session's cookie and shows the place that was asked for",
    roles: 'public',
    params: providerParams,
    // What a provider adds is its own affair; what counts is checked against what was sent.
    query: z
      .object({ state: z.string().max(256).exactOptional().describe('What was sent there.') })
      .catchall(text),
    response: nothing,
    status: 303,
    refusals: [
      'UNAUTHENTICATED',
      'FORBIDDEN',
      'TLS_REQUIRED',
      'IDENTITY_PROVIDER_UNREACHABLE',
      'STORE_UNAVAILABLE',
      'DISK_FULL',
    ],
  }),
} as const;
