/**
 * The coordinator's keys beside a backup: never in it, since whoever has both reads every update and version. They lie in
 * the data folder's `keys`, and on request in one small file that is kept elsewhere.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fromHex, toHex, utf8 } from '#core/bytes';
import {
  agreementKeyPairFromSecret,
  blake2b256,
  encodePieces,
  signingKeyPairFromSeed,
} from '#core/crypto';
import { AuthError, InputError } from '#core/errors';
import { federationIdSchema } from '#core/protocol';
import { DurableFiles, systemErrorCode } from '../common/durable-files.ts';
import type { CoordinatorKeys } from '../config/data-folder.ts';
import type { BackupManifest } from './backup-format.ts';

const names = ['signing', 'agreement', 'wrapping'] as const;
const keySchema = z.string().regex(/^[0-9a-f]{64}$/);

const keysFileSchema = z.strictObject({
  type: z.literal('melo-coordinator-keys'),
  version: z.literal(1),
  federation: federationIdSchema,
  keys: z.strictObject({ signing: keySchema, agreement: keySchema, wrapping: keySchema }),
});
/** The secret keys as they stand in files: 64 hexadecimal digits each. */
export type SecretKeys = z.infer<typeof keysFileSchema>['keys'];

function unusable(path: string, what: string, cause?: unknown): AuthError {
  return new AuthError(
    'KEY_FILE_INVALID',
    `keys: expected the file of --keys-to or the folder keys of a data folder at ${path}, ${what}`,
    {},
    { cause },
  );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unusable(path, systemErrorCode(cause) ?? 'it cannot be read', cause);
  }
}

async function readKeysFolder(folder: string): Promise<SecretKeys> {
  const [signing, agreement, wrapping] = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, `${name}.key`);
      const parsed = keySchema.safeParse((await readText(path)).trim());
      if (!parsed.success) throw unusable(path, 'it has something else');
      return parsed.data;
    }),
  );
  return keysFileSchema.shape.keys.parse({ signing, agreement, wrapping });
}

function parseKeysFile(path: string, text: string): SecretKeys {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined; // the parser of JSON would quote the file, which may hold a key
  }
  const parsed = keysFileSchema.safeParse(value);
  if (!parsed.success) throw unusable(path, 'it has something else');
  return parsed.data.keys;
}

/**
 * Read keys from a file of `--keys-to`, or from a data folder's folder `keys`.
 *
 * @throws AuthError KEY_FILE_INVALID
 */
export async function readKeys(path: string): Promise<SecretKeys> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false, // reading it says what is wrong
  );
  return isFolder ? readKeysFolder(path) : parseKeysFile(path, await readText(path));
}

/** Make the keys ready for use. */
export function usableKeys(secret: SecretKeys): CoordinatorKeys {
  return {
    signing: signingKeyPairFromSeed(fromHex(secret.signing)),
    agreement: agreementKeyPairFromSecret(fromHex(secret.agreement)),
    wrappingKey: fromHex(secret.wrapping),
  };
}

/** Write the one file that restores need beside a backup; mode 0600. */
export async function writeKeysFile(
  path: string,
  federation: string,
  keys: SecretKeys,
): Promise<void> {
  const content = { type: 'melo-coordinator-keys', version: 1, federation, keys };
  await new DurableFiles().write(path, `${JSON.stringify(keysFileSchema.parse(content))}\n`);
}

/** Lay the keys out as a coordinator finds them. */
export async function writeKeysFolder(folder: string, keys: SecretKeys): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files = new DurableFiles();
  for (const name of names) await files.write(join(folder, `${name}.key`), `${keys[name]}\n`);
}

/** What a backup says of the keys it belongs to; the random 256 bits of the wrapping key cannot be guessed from its digest. */
export function describeKeys(keys: CoordinatorKeys): BackupManifest['keys'] {
  const check = blake2b256(encodePieces([utf8('melo/1/backup-wrapping-key'), keys.wrappingKey]));
  return {
    signingPublicKey: toHex(keys.signing.publicKey),
    agreementPublicKey: toHex(keys.agreement.publicKey),
    wrappingKeyCheck: toHex(check),
  };
}

/**
 * Check that keys belong to a backup.
 *
 * @throws InputError CONFIG_INVALID naming the one that does not
 */
export function checkKeys(keys: CoordinatorKeys, { keys: expected }: BackupManifest): void {
  const actual = describeKeys(keys);
  const wrong =
    actual.signingPublicKey !== expected.signingPublicKey
      ? 'signing'
      : actual.agreementPublicKey !== expected.agreementPublicKey
        ? 'agreement'
        : actual.wrappingKeyCheck !== expected.wrappingKeyCheck
          ? 'wrapping'
          : null;
  if (wrong === null) return;
  throw new InputError(
    'CONFIG_INVALID',
    `--keys: expected the keys that belong to this backup, its ${wrong} key is another one; look for those of the coordinator that the backup was made of`,
    { key: wrong },
  );
}
