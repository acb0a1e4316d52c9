/**
 * Who may vouch for people: identity providers by OpenID Connect, each with the values of a claim that give a role here. The
 * file is read at the start; nobody else's word counts.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { InputError } from '#core/errors';
import { siteIdSchema } from '#core/protocol';
import { roleSchema } from '../common/contract.ts';
import { isLoopback } from '../config/start-options.ts';
import { providerNameSchema } from './single-sign-on.contract.ts';

const claimName = z.string().min(1).max(128);

/** An address that is https, or this machine alone. */
const issuerSchema = z.url().refine((text) => {
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}, 'expected an https address');

/** Which value of the claim gives which role; the first that fits counts. */
const roleRuleSchema = z
  .strictObject({
    value: z.string().min(1).max(256),
    role: roleSchema,
    site: siteIdSchema.exactOptional(),
  })
  .refine(({ role, site }) => (role === 'steward') === (site !== undefined), {
    path: ['site'],
    message: 'expected a site for a steward and for no other role',
  });

const providerSchema = z.strictObject({
  /** What it is called in addresses. */
  provider: providerNameSchema,
  /** What the sign-in page calls it. */
  label: z.string().min(1).max(64),
  issuer: issuerSchema,
  clientId: z.string().min(1).max(256),
  /** File with the client's secret, beside this one; a public client has none. */
  clientSecretFile: z.string().min(1).exactOptional(),
  scopes: z.string().min(1).max(256).default('openid profile'),
  /** Claim whose value, or one of whose values, gives the role. */
  roleClaim: claimName,
  /** Claim that names a new account. */
  nameClaim: claimName.default('preferred_username'),
  roles: z.array(roleRuleSchema).min(1).max(200),
  /** How people must have signed in there, one of these (OpenID Connect Core 1.0, 2, `acr`); left out, the provider decides. */
  acrValues: z
    .array(z.string().regex(/^\S{1,256}$/))
    .min(1)
    .max(16)
    .exactOptional(),
});
const fileSchema = z.strictObject({
  version: z.literal(1),
  providers: z.array(providerSchema).min(1).max(10),
});

/** Who may vouch for people. */
export interface SignInProvider extends z.output<typeof providerSchema> {
  readonly clientSecret: string | null;
}

/** What a provider says that gives a role. */
export type RoleRule = z.output<typeof roleRuleSchema>;

/** The role that a claim gives; null where it gives none. */
export function roleOf({ roles }: Pick<SignInProvider, 'roles'>, claim: unknown): RoleRule | null {
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  return roles.find(({ value }) => values.includes(value)) ?? null;
}

/**
 * Read the file of providers.
 *
 * @throws InputError CONFIG_INVALID naming the field
 */
export async function readProviders(file: string): Promise<readonly SignInProvider[]> {
  const parsed = fileSchema.safeParse(await readYaml(file));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(file, `field ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
  }
  const { providers } = parsed.data;
  if (new Set(providers.map(({ provider }) => provider)).size < providers.length) {
    throw invalid(file, 'expected every provider once');
  }
  return Promise.all(
    providers.map(async (provider) => {
      const { clientSecretFile } = provider;
      if (clientSecretFile === undefined) return { ...provider, clientSecret: null };
      const path = resolve(dirname(file), clientSecretFile);
      return { ...provider, clientSecret: (await readText(path)).trim() };
    }),
  );
}

async function readYaml(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw invalid(file, `expected YAML, ${cause instanceof Error ? cause.message : 'got none'}`);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw invalid(path, 'expected a file that can be read', cause);
  }
}

function invalid(file: string, what: string, cause?: unknown): InputError {
  return new InputError(
    'CONFIG_INVALID',
    `${file}: ${what}; see docs/administration.md`,
    {},
    { cause },
  );
}
