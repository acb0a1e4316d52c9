/** The data folder: mode 0700, key files 0600; the wrapping key lies outside the database. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex, toHex } from '#core/bytes';
import {
  agreementKeyPairFromSecret,
  randomBytes,
  signingKeyPairFromSeed,
  type AgreementKeyPair,
  type SigningKeyPair,
} from '#core/crypto';
import { AuthError, StateError } from '#core/errors';
import type { DurableFiles } from '../common/durable-files.ts';

/** Where things lie in a data folder. */
export interface DataFolder {
  readonly path: string;
  readonly database: string;
  readonly blobs: string;
  readonly uploads: string;
  readonly keys: string;
  readonly tokenFile: string;
  /** Where the running coordinator listens. */
  readonly addressFile: string;
}

/** The coordinator's long-term keys. */
export interface CoordinatorKeys {
  readonly signing: SigningKeyPair;
  readonly agreement: AgreementKeyPair;
  /** 32 bytes that wrap every secret in the database. */
  readonly wrappingKey: Uint8Array;
}

/** Where a restore lays out what it brings; its presence says that one did not end. */
export const restoringFolder = (path: string): string => join(path, 'restoring');

/** Make the folder and its parts where they are missing. */
export async function prepareDataFolder(path: string): Promise<DataFolder> {
  if (existsSync(restoringFolder(path))) {
    throw new StateError(
      'STATE_CONFLICT',
      `data folder: expected a whole one, a restore into ${path} did not end; run melo coordinator restore again with --replace`,
    );
  }
  const folder: DataFolder = {
    path,
    database: join(path, 'database'),
    blobs: join(path, 'blobs'),
    uploads: join(path, 'uploads'),
    keys: join(path, 'keys'),
    tokenFile: join(path, 'administrator.token'),
    addressFile: join(path, 'coordinator.address.json'),
  };
  for (const part of [path, folder.blobs, folder.uploads, folder.keys]) {
    await mkdir(part, { recursive: true, mode: 0o700 });
    await chmod(part, 0o700); // an existing folder may be wider, and the umask narrows alone
  }
  return folder;
}

/** Keys of the data folder. */
export const keyNames = ['signing', 'agreement', 'wrapping'] as const;
/** A key of the data folder. */
export type KeyName = (typeof keyNames)[number];

const keyFile = (name: KeyName): string => `${name}.key`;

/** Read a key of 32 bytes, or make it the first time. */
async function loadOrCreateKey(files: DurableFiles, path: string): Promise<Uint8Array> {
  const text = await files.readText(path);
  if (text === null) {
    const key = randomBytes(32);
    await files.write(path, `${toHex(key)}\n`);
    return key;
  }
  if (/^[0-9a-f]{64}\n?$/.test(text)) return fromHex(text.trim());
  throw new AuthError(
    'KEY_FILE_INVALID',
    'key file: expected 64 hexadecimal digits, the file has something else; restore it from its own backup',
  );
}

/** Load the coordinator's keys; they are made at the first start. */
export async function loadKeys(folder: DataFolder, files: DurableFiles): Promise<CoordinatorKeys> {
  const key = (name: KeyName): Promise<Uint8Array> =>
    loadOrCreateKey(files, join(folder.keys, keyFile(name)));
  return {
    signing: signingKeyPairFromSeed(await key('signing')),
    agreement: agreementKeyPairFromSecret(await key('agreement')),
    wrappingKey: await key('wrapping'),
  };
}

/** How old a key is: since its file was written. */
export interface KeyFileAge {
  readonly key: KeyName;
  readonly writtenAtMs: number;
  readonly ageMs: number;
}

/** How old the coordinator's keys are. */
export function keyFileAges(folder: DataFolder, nowMs: number): Promise<KeyFileAge[]> {
  return Promise.all(
    keyNames.map(async (key) => {
      const { mtimeMs } = await stat(join(folder.keys, keyFile(key)));
      const writtenAtMs = Math.floor(mtimeMs);
      return { key, writtenAtMs, ageMs: Math.max(0, nowMs - writtenAtMs) };
    }),
  );
}
