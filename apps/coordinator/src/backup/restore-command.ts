/** `melo coordinator restore`: a backup and the keys that belong to it back into a data folder. */
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { tellFailure } from '../admin/admin-command.ts';
import { nodeEnvironment, type AdminEnvironment } from '../admin/admin-environment.ts';
import { adminExitCodes } from '../admin/exit-codes.ts';
import { formatTime } from '../admin/text.ts';
import { progressReporter } from './progress.ts';
import { restoreBackup, type RestoreReport } from './restore.ts';

interface RestoreCommandOptions {
  readonly from: string;
  readonly to: string;
  readonly keys: string;
  readonly databaseUrl?: string;
  readonly replace?: true;
  readonly json?: true;
}

/** Add `restore` to `melo coordinator`. */
export function addRestoreCommand(
  coordinator: Command,
  environment: AdminEnvironment = nodeEnvironment(),
): void {
  const databaseUrl = environment.variables['DATABASE_URL'] ?? '';
  coordinator
    .command('restore')
    .description('lay a backup out as a data folder, and check the chains that are in it')
    .requiredOption('--from <file>', 'the backup')
    .requiredOption('--to <folder>', 'the data folder, empty or not there yet')
    .requiredOption('--keys <path>', "the file of --keys-to, or a data folder's folder keys")
    .addOption(
      new Option(
        '--database-url <url>',
        'a PostgreSQL to restore into, whatever it was made of (or DATABASE_URL)',
      ).default(databaseUrl === '' ? undefined : databaseUrl, 'the embedded database'),
    )
    .option('--replace', 'move aside what is there; nothing is removed')
    .option('--json', 'one JSON object a line on standard output')
    .addHelpText(
      'after',
      `
Everything is checked before anything is written. After it start the coordinator; sites that saw more than
the backup has decline rounds until "melo agent audit accept" (docs/operations.md).
Exit codes: 0 done; 2 usage, 3 key file or keys of another coordinator, 6 the disk is low or the database
away, 8 no such file, 9 something is there or a coordinator runs in it, 11 the backup is damaged or of a
newer release (BACKUP_INVALID, nothing was written), or it is restored and a chain in it does not hold.`,
    )
    .action(async (options: RestoreCommandOptions) => {
      try {
        await restore(options, environment);
      } catch (error) {
        tellFailure(error, environment, options.json === true);
      }
    });
}

async function restore(
  options: RestoreCommandOptions,
  environment: AdminEnvironment,
): Promise<void> {
  const isJson = options.json === true;
  const to = resolve(options.to);
  const report = await restoreBackup({
    from: options.from,
    to,
    keys: options.keys,
    databaseUrl: options.databaseUrl,
    isReplacing: options.replace === true,
    nowMs: environment.nowMs(),
    onProgress: progressReporter(environment, isJson, 'restore: checking'),
  });
  if (isJson) {
    const { manifest, ...rest } = report;
    const { createdAtMs, release, federation } = manifest;
    const event = { event: 'restored', dataFolder: to, createdAtMs, release, federation, ...rest };
    environment.print(JSON.stringify(event));
  } else environment.print(textOf(report, to, environment.nowMs()));
  if (report.chains.some(({ wrong }) => wrong !== null)) {
    environment.setExitCode(adminExitCodes.differs);
  }
}

/** What was restored and found, for people. */
function textOf(report: RestoreReport, to: string, nowMs: number): string {
  const { manifest, rows, files, absent, lostUpdates, chains, movedTo } = report;
  const lines = [
    `${to}: ${rows} rows and ${files} files of ${formatTime(manifest.createdAtMs, nowMs)}, made by release ${manifest.release}`,
  ];
  for (const { chain, last, wrong } of chains) {
    const what = chain === 'audit' ? `audit log: ${last} entries` : `${chain}: versions to ${last}`;
    lines.push(wrong === null ? `${what}, the chain holds` : `WRONG ${what}: ${wrong}`);
  }
  for (const { path, reason } of absent.slice(0, 20)) {
    lines.push(`warning: ${path} was ${reason} when the backup was made`);
  }
  for (const { task, round, site } of lostUpdates) {
    lines.push(
      `warning: the update of ${site} for round ${round} of ${task} was acknowledged and is lost; abandon the round`,
    );
  }
  if (movedTo.folder !== null) lines.push(`what was in the folder is in ${movedTo.folder}`);
  if (movedTo.schema !== null)
    lines.push(`what was in the database is in schema ${movedTo.schema}`);
  lines.push(
    '',
    `Next: melo coordinator start --data ${to}, with the address and port that the sites know.`,
    'Sites that saw more than this backup has decline rounds (AUDIT_FORK) until somebody there runs: melo agent audit accept',
  );
  return lines.join('\n');
}
