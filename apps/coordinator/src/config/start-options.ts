/** The options of `melo coordinator start`, checked: without TLS only the loopback is served unless told otherwise. */
import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { InputError } from '#core/errors';
import type { CoordinatorOptions } from '../coordinator.ts';

const megabyte = 1024 * 1024;
const megabytes = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a whole number of megabytes')
  .transform((text) => Number(text) * megabyte);

const wholeNumber = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum));

/** What the command line gives, as text. */
export const startArgumentsSchema = z.strictObject({
  data: z.string().min(1),
  host: z.string().min(1),
  port: z
    .string()
    .regex(/^\d{1,5}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().max(65_535)),
  publicUrl: z
    .string()
    .regex(/^https?:\/\/[^\s]+$/, 'expected an http or https address')
    .max(512)
    .optional(),
  tlsCert: z.string().min(1).optional(),
  tlsKey: z.string().min(1).optional(),
  trustProxy: z.boolean().default(false),
  insecureHttp: z.boolean().default(false),
  requireTotp: z.boolean().default(false),
  breachedPasswords: z.string().min(1).optional(),
  signInProviders: z.string().min(1).optional(),
  retentionDays: z
    .string()
    .regex(/^\d{1,4}(?:\.\d{1,6})?$/, 'expected a number of days')
    .transform(Number),
  alertSilentMinutes: wholeNumber(1, 100_000).default(10),
  alertKeyDays: wholeNumber(1, 10_000).default(365),
  diskReserveMb: megabytes.optional(),
  uploadsQuotaMb: megabytes.optional(),
  siteUploadsQuotaMb: megabytes.optional(),
  json: z.boolean().default(false),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
});
/** The checked arguments of `melo coordinator start`. */
export type StartArguments = z.infer<typeof startArgumentsSchema>;

const dayMs = 24 * 3_600_000;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Tell whether a host is this machine alone. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host === 'localhost';
  return loopback.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

function invalid(what: string): InputError {
  return new InputError('CONFIG_INVALID', what);
}

/**
 * Check the arguments together with the environment.
 *
 * @throws InputError USAGE naming the option, CONFIG_INVALID where they do not fit together
 */
export function startOptions(
  raw: unknown,
  databaseUrl: string | undefined,
): { readonly options: CoordinatorOptions; readonly arguments: StartArguments } {
  const parsed = startArgumentsSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const name = String(issue?.path[0] ?? 'option').replace(/[A-Z]/g, (x) => `-${x.toLowerCase()}`);
    throw new InputError(
      'USAGE',
      `--${name}: ${issue?.message ?? 'not valid'}; see melo coordinator start --help`,
    );
  }
  const { data, host, port, publicUrl, tlsCert, tlsKey, ...rest } = parsed.data;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw invalid('--tls-cert and --tls-key: expected both or neither; name the other file too');
  }
  const isPlain = tlsCert === undefined && !rest.trustProxy && !rest.insecureHttp;
  if (isPlain && !isLoopback(host)) {
    throw invalid(
      `--host ${host}: expected a loopback address without TLS; give --tls-cert and --tls-key, or --trust-proxy behind a TLS proxy, or --insecure-http for a test`,
    );
  }
  return {
    arguments: parsed.data,
    options: {
      dataFolder: data,
      host,
      port,
      settings: {
        retentionMs: Math.round(rest.retentionDays * dayMs),
        siteSilentMs: rest.alertSilentMinutes * 60_000,
        keyAgeMaxMs: rest.alertKeyDays * dayMs,
        diskReserveBytes: rest.diskReserveMb ?? null,
        uploadsQuotaBytes: rest.uploadsQuotaMb ?? null,
        siteUploadsQuotaBytes: rest.siteUploadsQuotaMb ?? null,
        trustProxy: rest.trustProxy,
        requireTotp: rest.requireTotp,
        breachedPasswordsFile: rest.breachedPasswords ?? null,
      },
      ...(publicUrl === undefined ? {} : { publicUrl: publicUrl.replace(/\/+$/, '') }),
      ...(tlsCert === undefined || tlsKey === undefined
        ? {}
        : { tls: { certFile: tlsCert, keyFile: tlsKey } }),
      ...(databaseUrl === undefined || databaseUrl === '' ? {} : { databaseUrl }),
    },
  };
}
