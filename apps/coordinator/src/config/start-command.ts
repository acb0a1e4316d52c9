/** `melo coordinator start`: start, say what to do next, stop on a signal. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { isErrorCode, MeloError, toPublicError } from '#core/errors';
import { Logger } from '../common/logger.ts';
import { startOptions } from './start-options.ts';
import { startText } from './start-text.ts';
import { addBackupCommand } from '../backup/backup-command.ts';
import { addRestoreCommand } from '../backup/restore-command.ts';
import { checkBreachedPasswordsFile } from '../users/breached-passwords.ts';
import { readProviders } from '../users/providers.ts';
import { addDrainCommand } from '../operations/drain-command.ts';

/** Exit codes of `melo coordinator`. */
export const exitCodes = {
  ok: 0,
  other: 1,
  usage: 2,
  configuration: 3,
  portTaken: 4,
  locked: 5,
} as const;

/** The exit code for what was thrown. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof MeloError)) return exitCodes.other;
  switch (error.code) {
    case 'USAGE':
      return exitCodes.usage;
    case 'CONFIG_INVALID':
    case 'KEY_FILE_INVALID':
      return exitCodes.configuration;
    case 'PORT_TAKEN':
      return exitCodes.portTaken;
    case 'DATA_FOLDER_LOCKED':
    case 'DATABASE_LOCKED':
      return exitCodes.locked;
    default:
      return exitCodes.other;
  }
}

function line(event: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Stop once on the first signal; a second one ends the process at once. */
async function untilSignal(): Promise<void> {
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        done();
      });
    }
  });
}

async function run(raw: unknown): Promise<void> {
  const { options, arguments: given } = startOptions(raw, process.env['DATABASE_URL']);
  const logger = new Logger(given.logLevel);
  if (Number(process.versions.node.split('.')[0]) < 22) {
    logger.warn('Node 22 or newer is advised', { event: 'old-node' });
  }
  if (given.breachedPasswords !== undefined)
    await checkBreachedPasswordsFile(given.breachedPasswords);
  const { signInProviders: file } = given;
  const signInProviders = file === undefined ? [] : await readProviders(file);
  // The default folder is relative: its whole path is what the next command needs.
  const dataFolder = resolve(options.dataFolder);
  // Only here: the other commands need nothing of the server.
  const { startCoordinator } = await import('../coordinator.ts');
  // From here on: a signal amid the start is obeyed once it is done, so that nothing is left half made.
  const stopped = untilSignal();
  const coordinator = await startCoordinator({
    ...options,
    dataFolder,
    logger,
    settings: { ...options.settings, signInProviders },
  });
  if (given.json) {
    const { url, dashboardUrl, tokenFile } = coordinator;
    const { retentionDays } = given;
    line({ event: 'listening', url, dashboardUrl, tokenFile, retentionDays });
  } else {
    process.stdout.write(startText(coordinator, given.retentionDays));
  }
  try {
    await Promise.race([stopped, coordinator.whenDrained, coordinator.failed]);
  } finally {
    logger.info('stopping', { event: 'stopping' });
    await coordinator.close();
  }
  if (given.json) line({ event: 'stopped' });
}

/** Say why a start failed: one sentence on standard error, and an event with --json. */
function report(error: unknown, isJson: boolean): void {
  const { code } = toPublicError(error);
  const message = error instanceof MeloError ? error.message : String(error);
  const cause = error instanceof MeloError && error.cause instanceof Error ? error.cause : null;
  process.stderr.write(
    `melo coordinator: ${message}${cause === null ? '' : ` (${cause.message})`}\n`,
  );
  if (isJson) line({ event: 'failed', code: isErrorCode(code) ? code : 'INTERNAL', message });
}

/** Register `melo coordinator start`. */
export function registerCoordinatorCommands(program: Command): void {
  const coordinator = program
    .command('coordinator')
    .description('run the coordinator of a federation');
  coordinator
    .command('start')
    .description('start it; no configuration is needed')
    .option('--data <folder>', 'folder of keys, database and blobs', './melo-coordinator')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on, 0 for any that is free', '8440')
    .option('--public-url <url>', 'address that enrolment codes carry')
    .option('--tls-cert <file>', 'PEM certificate chain; with --tls-key')
    .option('--tls-key <file>', 'PEM private key; with --tls-cert')
    .option('--trust-proxy', 'a proxy in front of it ends TLS')
    .option('--insecure-http', 'listen on other hosts without TLS: for tests alone')
    .option('--require-totp', 'accounts of administrators must have a second factor')
    .option(
      '--breached-passwords <file>',
      'SHA-1 hashes in order, none of which is taken as a password',
    )
    .option(
      '--sign-in-providers <file>',
      'YAML of the providers of single sign-on (OpenID Connect)',
    )
    .option('--retention-days <days>', "keep a settled round's uploads and key, 0 for not", '7')
    .option('--alert-silent-minutes <number>', 'tell of a site without a connection after', '10')
    .option('--alert-key-days <number>', "tell of a site's keys after", '365')
    .option(
      '--disk-reserve-mb <number>',
      'free room below which nothing new begins (default: what open rounds need, 512 at least)',
    )
    .option('--uploads-quota-mb <number>', 'room for the stored uploads of all sites')
    .option('--site-uploads-quota-mb <number>', 'room for the stored uploads of each site')
    .option('--json', 'one JSON object a line on standard output')
    .option('--log-level <level>', 'debug, info, warn, error or silent', 'info')
    .addHelpText(
      'after',
      `
DATABASE_URL names a PostgreSQL to use instead of the embedded database.
Exit codes: 0 stopped or drained, 1 other, 2 usage, 3 configuration, 4 port taken, 5 data folder or database in use.`,
    )
    .action(async (options: { readonly json?: boolean }) => {
      try {
        await run(options);
      } catch (error) {
        report(error, options.json === true);
        process.exitCode = exitCodeOf(error);
      }
    });
  addDrainCommand(coordinator);
  addBackupCommand(coordinator);
  addRestoreCommand(coordinator);
}
