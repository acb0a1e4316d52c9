/** `melo coordinator backup`: one file of the running coordinator, or of a stopped one's data folder. */
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { targetOf } from '#api';
import { InputError, MeloError, StateError } from '#core/errors';
import { connect, tellFailure } from '../admin/admin-command.ts';
import { nodeEnvironment, type AdminEnvironment } from '../admin/admin-environment.ts';
import { formatBytes, formatTime } from '../admin/text.ts';
import { receiveFile } from '../common/received-file.ts';
import {
  connectionOf,
  withRunningCoordinator,
  type RunningOptions,
} from '../operations/running-coordinator.ts';
import { announcedBytes, type BackupManifest } from './backup-format.ts';
import { checkFreeBytes } from './files.ts';
import { checkKeys, readKeys, usableKeys, writeKeysFile, type SecretKeys } from './key-files.ts';
import { progressReporter } from './progress.ts';
import { readArchive, type CheckedArchive } from './read-archive.ts';
import { backUpStopped } from './stopped-coordinator.ts';
import type { Pieces } from './tar.ts';

type BackupOptions = RunningOptions & {
  readonly to: string;
  readonly keysTo?: string;
  readonly force?: true;
};

/** Add `backup` to `melo coordinator`. */
export function addBackupCommand(
  coordinator: Command,
  environment: AdminEnvironment = nodeEnvironment(),
): void {
  const command = coordinator
    .command('backup')
    .description('write database and files of this moment to one file, running or stopped')
    .requiredOption('--to <file>', 'the file to write')
    .option('--keys-to <file>', 'write the secret keys to a file of their own too (with --data)')
    .option('--force', 'replace files that are there');
  withRunningCoordinator(command, environment)
    .addHelpText(
      'after',
      `
The keys are never in the backup: whoever has both reads every update and every version. A restore needs
both, so keep the keys somewhere else. DATABASE_URL names the PostgreSQL of a stopped coordinator.
Exit codes: 0 done; 1 other, or something the database names was not there (it says what); 2 usage,
3 token or key file, 6 unreachable or the disk is low, 7 not allowed, 8 no data folder, 9 it is there.`,
    )
    .action(async (options: BackupOptions) => {
      try {
        await backUp(options, environment);
      } catch (error) {
        tellFailure(error, environment, options.json === true);
      }
    });
}

async function backUp(options: BackupOptions, environment: AdminEnvironment): Promise<void> {
  const { to, keysTo, data, url, force } = options;
  if (keysTo !== undefined && url !== undefined) {
    throw new InputError(
      'USAGE',
      '--keys-to: expected --data, since keys are read from the data folder alone and never travel; run it on the machine of the coordinator',
    );
  }
  for (const file of [to, ...(keysTo === undefined ? [] : [keysTo])]) {
    if (force !== true && (await environment.doesExist(file))) throw fileThere(file);
  }
  const keys = keysTo === undefined ? null : await readKeys(join(data, 'keys'));
  const archive = await receive(options, environment, keys);
  const { manifest, contents } = archive;
  if (keys !== null && keysTo !== undefined) {
    await writeKeysFile(keysTo, manifest.federation, keys);
  }
  const bytes = contents.entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  const files = contents.entries.length - manifest.tables.length - 1;
  const { createdAtMs, federation, release } = manifest;
  const { absent } = contents;
  const answer = { file: to, keysFile: keysTo ?? null, createdAtMs, federation, release };
  if (options.json === true) {
    const event = { event: 'backed-up', ...answer, bytes, rows, files, absent };
    environment.print(JSON.stringify(event));
  } else {
    environment.print(textOf(archive, { to, keysTo, bytes, rows, files }, environment.nowMs()));
  }
  if (absent.length > 0) environment.setExitCode(1);
}

function fileThere(file: string): StateError {
  return new StateError(
    'ALREADY_EXISTS',
    `backup: expected a new file, got ${file}, which is there; name another or add --force`,
  );
}

/** Take the archive and check every byte of it on the way: what cannot be restored never becomes the file. */
async function receive(
  options: BackupOptions,
  environment: AdminEnvironment,
  keys: SecretKeys | null,
): Promise<CheckedArchive> {
  const isJson = options.json === true;
  if (!isJson) environment.tell('backup: the database is written out first, then it comes');
  const visitor = {
    onManifest: async (manifest: BackupManifest) => {
      await checkFreeBytes(dirname(options.to), announcedBytes(manifest));
      if (keys !== null) checkKeys(usableKeys(keys), manifest);
    },
    onProgress: progressReporter(environment, isJson, 'backup'),
  };
  const take = (source: Pieces): Promise<CheckedArchive> =>
    receiveFile(options.to, source, (pieces) => readArchive(pieces, visitor));
  if (options.url === undefined) {
    try {
      const databaseUrl = environment.variables['DATABASE_URL'] ?? '';
      const nowMs = environment.nowMs();
      const url = databaseUrl === '' ? undefined : databaseUrl;
      return await take(backUpStopped({ data: options.data, databaseUrl: url, nowMs }));
    } catch (error) {
      if (!(error instanceof MeloError) || error.code !== 'DATA_FOLDER_LOCKED') throw error;
    }
  }
  // It runs: it alone may read its database.
  const client = await connect(await connectionOf(options, environment), environment);
  return take(client.stream(targetOf('/v1/backup')));
}

/** What was done, for people, and what they have to do with it. */
function textOf(
  { manifest, contents }: CheckedArchive,
  done: {
    readonly to: string;
    readonly keysTo: string | undefined;
    readonly bytes: number;
    readonly rows: number;
    readonly files: number;
  },
  nowMs: number,
): string {
  const { to, keysTo, bytes, rows, files } = done;
  const lines = [
    `${to}: ${formatBytes(bytes)}, ${rows} rows and ${files} files of ${formatTime(manifest.createdAtMs, nowMs)}`,
    keysTo === undefined
      ? 'The keys are not in it, and a restore needs them: back up the folder keys of the data folder too, apart from this file (--keys-to FILE).'
      : `${keysTo}: the keys, which a restore needs. Keep them apart: whoever has both files reads every update and version.`,
  ];
  for (const { path, reason } of contents.absent.slice(0, 20)) {
    lines.push(`warning: ${path} is named by the database and ${reason}`);
  }
  if (contents.absent.length > 20)
    lines.push(`warning: ${contents.absent.length} such files in all`);
  return lines.join('\n');
}
