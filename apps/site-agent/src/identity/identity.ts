/** The site's two keys and the coordinator it pinned: born here, kept in files that only the agent's user can read. */
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fromHex, toHex } from '#core/bytes';
import {
  agreementKeyPairFromSecret,
  generateAgreementKeyPair,
  randomBytes,
  signingKeyPairFromSeed,
  siteFingerprint,
  type AgreementKeyPair,
  type SigningKeyPair,
} from '#core/crypto';
import { AuthError } from '#core/errors';
import { digestSchema, federationIdSchema, siteIdSchema } from '#core/protocol';
import {
  makePrivateDirectory,
  readJsonIfPresent,
  systemErrorCode,
  writeJsonDurably,
} from '../common/durable-file.ts';

const keyFileSchema = z.strictObject({
  version: z.literal(1),
  signingSeed: digestSchema,
  agreementSecretKey: digestSchema,
});

const coordinatorRecordSchema = z.strictObject({
  version: z.literal(1),
  url: z.url({ protocol: /^https?$/ }).max(512),
  federation: federationIdSchema,
  site: siteIdSchema,
  signingPublicKey: digestSchema,
  agreementPublicKey: digestSchema,
});

/** The site's keys. */
export interface SiteKeys {
  readonly signing: SigningKeyPair;
  readonly agreement: AgreementKeyPair;
  /** What the administrator compares, 64 hexadecimal digits. */
  readonly fingerprint: string;
}

/** The coordinator as it was pinned at enrolment. */
export type CoordinatorRecord = z.infer<typeof coordinatorRecordSchema>;

const keyFile = (dataDirectory: string): string =>
  join(dataDirectory, 'identity', 'site-keys.json');
const coordinatorFile = (dataDirectory: string): string =>
  join(dataDirectory, 'identity', 'coordinator.json');

/** Refuse a key file that others may read: what was readable once may have been copied. */
async function checkPrivate(path: string): Promise<void> {
  if (process.platform === 'win32') return; // its permissions are not mode bits
  let mode: number;
  try {
    mode = (await stat(path)).mode & 0o777;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return;
    throw error;
  }
  if ((mode & 0o077) === 0) return;
  throw new AuthError(
    'KEY_FILE_INVALID',
    `${path}: expected mode 600, it has ${mode.toString(8)} and others may have read it; if nobody did, \`chmod 600\` it, else enrol again with new keys`,
    { mode: mode.toString(8) },
  );
}

/**
 * Load the site's keys, or return null where there are none.
 *
 * @throws AuthError KEY_FILE_INVALID where group or others can read the file
 */
export async function loadSiteKeys(dataDirectory: string): Promise<SiteKeys | null> {
  const path = keyFile(dataDirectory);
  await checkPrivate(path);
  const file = await readJsonIfPresent(path, keyFileSchema);
  if (file === null) return null;
  const signing = signingKeyPairFromSeed(fromHex(file.signingSeed));
  const agreement = agreementKeyPairFromSecret(fromHex(file.agreementSecretKey));
  return {
    signing,
    agreement,
    fingerprint: siteFingerprint(signing.publicKey, agreement.publicKey),
  };
}

/** Load the site's keys, or make and store them first. */
export async function ensureSiteKeys(dataDirectory: string): Promise<SiteKeys> {
  await makePrivateDirectory(dataDirectory);
  await makePrivateDirectory(join(dataDirectory, 'identity'));
  const existing = await loadSiteKeys(dataDirectory);
  if (existing !== null) return existing;
  const path = keyFile(dataDirectory);
  await writeJsonDurably(path, {
    version: 1,
    signingSeed: toHex(randomBytes(32)),
    agreementSecretKey: toHex(generateAgreementKeyPair().secretKey),
  });
  await chmod(path, 0o600);
  const made = await loadSiteKeys(dataDirectory);
  if (made !== null) return made;
  throw new AuthError(
    'KEY_FILE_INVALID',
    `${path}: expected the keys just written; check the disk`,
  );
}

/** Load the pinned coordinator, or return null before enrolment. */
export function loadCoordinator(dataDirectory: string): Promise<CoordinatorRecord | null> {
  return readJsonIfPresent(coordinatorFile(dataDirectory), coordinatorRecordSchema);
}

/** Pin the coordinator. */
export async function storeCoordinator(
  dataDirectory: string,
  record: CoordinatorRecord,
): Promise<void> {
  await writeJsonDurably(coordinatorFile(dataDirectory), coordinatorRecordSchema.parse(record));
}

/** Keys and coordinator of an enrolled site. */
export interface Enrollment {
  readonly keys: SiteKeys;
  readonly coordinator: CoordinatorRecord;
}

/**
 * Load what enrolment left.
 *
 * @throws AuthError SITE_NOT_ENROLLED before enrolment, KEY_FILE_INVALID where a key file was opened up
 */
export async function loadEnrollment(dataDirectory: string): Promise<Enrollment> {
  const coordinator = await loadCoordinator(dataDirectory);
  const keys = await loadSiteKeys(dataDirectory);
  if (coordinator !== null && keys !== null) return { keys, coordinator };
  throw new AuthError(
    'SITE_NOT_ENROLLED',
    `${dataDirectory}: expected an enrolled site, ${keys === null ? 'there are no keys' : 'no coordinator is pinned'}; ask the administrator for a code and run \`melo agent enroll\``,
  );
}
