/**
 * Pulls a backbone from the hub into a folder of its own: whole, checked and fingerprinted, or not at all.
 *
 * The header of the weights is read over the network first, so that a backbone that cannot be run exactly is refused before its
 * hundreds of megabytes are fetched. Files gather in a hidden folder beside the target, which is renamed at the end.
 */
import { access, mkdir, readFile, rename, rm, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { findKnownBackbone, openBackbone, type ByteSource } from '#core/backbone';
import { fromUtf8 } from '#core/bytes';
import { InputError, StateError, UnavailableError } from '#core/errors';
import { systemErrorCode } from '../common/durable-file.ts';
import { lockDirectory } from '../common/instance-lock.ts';
import { atPath } from '../common/path-error.ts';
import { fingerprintFolder, readOrigin, writeOrigin } from './backbone-folder.ts';
import type { HubClient, HubFile, HubSnapshot } from './hub-client.ts';
import { downloadFile } from './resumable-download.ts';

const weightsName = 'model.safetensors';
/** Small files first: they decide whether the weights are of use. */
const fileNames = ['config.json', 'preprocessor_config.json', weightsName] as const;
const optionalNames: ReadonlySet<string> = new Set(['preprocessor_config.json']);
const jsonBytesMax = 1024 * 1024;
/** Above a float32 ViT-G. */
const weightsBytesMax = 16 * 1024 ** 3;
/** Left free on the disk beside the files. */
const spareBytes = 64 * 1024 ** 2;

const pullPurpose = {
  file: 'pull.lock',
  who: 'pull of this backbone',
  advice: 'name another folder with --to',
} as const;

/** How far a pull is. */
export type PullProgress =
  | { readonly phase: 'found'; readonly snapshot: HubSnapshot; readonly bytes: number }
  | {
      readonly phase: 'download';
      readonly path: string;
      readonly done: number;
      readonly bytes: number;
    }
  | { readonly phase: 'fingerprint'; readonly done: number; readonly total: number };

/** What to pull. */
export interface PullOptions {
  readonly client: HubClient;
  /** A short name of `melo backbone list`, or `owner/name` of the hub. */
  readonly name: string;
  readonly revision: string;
  /** The folder that backbones lie in. */
  readonly directory: string;
  /** What the fingerprint must be, from a task's definition. */
  readonly expectedFingerprint?: string;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Waits between attempts. */
  readonly wait?: (ms: number) => Promise<unknown>;
}

/** What a pull ended with. */
export interface PulledBackbone {
  readonly folder: string;
  readonly fingerprint: string;
  readonly repository: string;
  readonly revision: string;
  readonly licence: string | null;
  /** Whether the folder was there before and was checked alone. */
  readonly wasThere: boolean;
  /** Whether the hub promised a digest of the weights and they had it. */
  readonly isDigestChecked: boolean;
}

/**
 * Pull a backbone.
 *
 * @throws InputError BACKBONE_UNSUPPORTED or BACKBONE_MISMATCH, StateError ALREADY_EXISTS, UnavailableError DISK_FULL, and what
 *   the client and `downloadFile` throw
 */
export async function pullBackbone(options: PullOptions): Promise<PulledBackbone> {
  const known = findKnownBackbone(options.name);
  const repository = known?.repository ?? options.name;
  if (!repository.includes('/')) {
    throw new InputError(
      'NOT_FOUND',
      `backbone ${options.name}: expected a name of melo backbone list or owner/name of a repository, got neither; see the list`,
      { name: options.name },
    );
  }
  const target = join(options.directory, known?.name ?? basename(repository));
  if (await isThere(target)) return checkExisting(target, repository, options);
  const staging = join(options.directory, `.${basename(target)}.partial`);
  const expected = 'a place that this user can write';
  await atPath({ path: options.directory, expected }, () => mkdir(staging, { recursive: true }));
  const unlock = await lockDirectory(staging, pullPurpose);
  try {
    return await pullInto(staging, target, repository, options);
  } finally {
    await unlock();
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false, // not there is the usual case
  );
}

/** A folder of that name is there: say that all is well, or leave it as it is. */
async function checkExisting(
  target: string,
  repository: string,
  options: PullOptions,
): Promise<PulledBackbone> {
  const origin = await readOrigin(target);
  if (origin?.repository !== repository) {
    throw new StateError(
      'ALREADY_EXISTS',
      `${target}: expected no folder or one that was pulled from ${repository}, there is another and it stays as it is; move it away or name another with --to`,
    );
  }
  const fingerprint = await fingerprintOf(target, options);
  if (fingerprint !== origin.fingerprint) throw mismatch(target, origin.fingerprint, fingerprint);
  checkExpected(target, fingerprint, options);
  const { revision, licence } = origin;
  const isDigestChecked = origin.files.every(({ digest }) => digest !== null);
  return {
    ...{ folder: target, fingerprint, repository, revision, licence },
    ...{ wasThere: true, isDigestChecked },
  };
}

async function pullInto(
  staging: string,
  target: string,
  repository: string,
  options: PullOptions,
): Promise<PulledBackbone> {
  const { client, revision, onProgress, wait } = options;
  const snapshot = await client.describe(repository, revision, fileNames);
  const files = checkFiles(snapshot);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  onProgress?.({ phase: 'found', snapshot, bytes });
  await checkRoom(staging, bytes);
  let isDigestChecked = true;
  for (const file of files) {
    const { path } = file;
    if (path === weightsName) await checkHeader(client, file, staging);
    const isChecked = await downloadFile({
      file,
      destination: join(staging, path),
      read: (wanted, offset) => client.read(wanted, offset),
      onProgress: (done) => onProgress?.({ phase: 'download', path, done, bytes: file.bytes }),
      ...(wait === undefined ? {} : { wait }),
    });
    if (path === weightsName) isDigestChecked = isChecked;
  }
  const fingerprint = await fingerprintOf(staging, options);
  checkExpected(target, fingerprint, options);
  const { licence } = snapshot;
  await writeOrigin(staging, {
    ...{ version: 1, repository, revision: snapshot.revision, licence, fingerprint },
    files: files.map(({ path, bytes: size, digest }) => ({
      path,
      bytes: size,
      digest: digest.kind === 'none' ? null : `${digest.kind}:${digest.hex}`,
    })),
  });
  await publish(staging, target);
  return {
    ...{ folder: target, fingerprint, repository, revision: snapshot.revision, licence },
    ...{ wasThere: false, isDigestChecked },
  };
}

/** Return the files to fetch, in order. */
function checkFiles(snapshot: HubSnapshot): HubFile[] {
  const { repository } = snapshot;
  return fileNames.flatMap((path) => {
    const file = snapshot.files.get(path);
    if (file === undefined) {
      if (optionalNames.has(path)) return [];
      throw new InputError(
        'NOT_FOUND',
        `${repository}: expected a file ${path}, it has none; use a repository with one ${weightsName} and a config.json`,
        { repository, path },
      );
    }
    const bytesMax = path === weightsName ? weightsBytesMax : jsonBytesMax;
    if (file.bytes > bytesMax || file.bytes === 0) {
      throw new InputError(
        'BACKBONE_UNSUPPORTED',
        `${repository}: expected ${path} of 1 to ${bytesMax} bytes, it has ${file.bytes}; use a smaller backbone`,
        { path, bytes: file.bytes, bytesMax },
      );
    }
    return [file];
  });
}

async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + spareBytes) return;
  throw new UnavailableError(
    'DISK_FULL',
    `${folder}: expected ${bytes + spareBytes} bytes free for the backbone, there are ${free}; free some space or name another disk with --to`,
    { bytes, free },
  );
}

async function readStaged(path: string): Promise<unknown> {
  try {
    return JSON.parse(fromUtf8(await readFile(path)));
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    throw new InputError(
      'BACKBONE_UNSUPPORTED',
      `${basename(path)}: expected JSON in UTF-8, the hub's file is something else; use another repository`,
      {},
      { cause },
    );
  }
}

/** Refuse what cannot be run exactly from the header alone: two small ranges of the weights. */
async function checkHeader(client: HubClient, file: HubFile, staging: string): Promise<void> {
  const source: ByteSource = {
    size: file.bytes,
    path: null,
    read: async (offset, length) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of client.read(file, offset, length)) chunks.push(chunk);
      return Buffer.concat(chunks).subarray(0, length);
    },
  };
  const config = await readStaged(join(staging, 'config.json'));
  const preprocessor = await readStaged(join(staging, 'preprocessor_config.json'));
  try {
    await openBackbone({ source, config, preprocessor });
  } catch (error) {
    const isWithoutRanges = error instanceof InputError && error.code === 'HUB_ANSWER_INVALID';
    if (!isWithoutRanges) throw error; // a mirror without ranges still has the whole file
  }
}

function fingerprintOf(folder: string, { onProgress }: PullOptions): Promise<string> {
  return fingerprintFolder(folder, (progress) =>
    onProgress?.({ phase: 'fingerprint', ...progress }),
  );
}

function checkExpected(folder: string, fingerprint: string, options: PullOptions): void {
  const { expectedFingerprint } = options;
  if (expectedFingerprint === undefined || expectedFingerprint === fingerprint) return;
  throw mismatch(folder, expectedFingerprint, fingerprint);
}

function mismatch(folder: string, expected: string, actual: string): InputError {
  return new InputError(
    'BACKBONE_MISMATCH',
    `${folder}: expected fingerprint ${expected.slice(0, 16)}..., it has ${actual.slice(0, 16)}...; use the backbone and revision that the task names`,
    { expected, actual },
  );
}

/** Show the folder under its name; nothing of the pull itself stays in it. */
async function publish(staging: string, target: string): Promise<void> {
  await rm(join(staging, pullPurpose.file), { force: true });
  await rename(staging, target);
}
