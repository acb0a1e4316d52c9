/** `melo coordinator drain`: let the coordinator finish what runs and end, and show what it awaits. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { request } from '#api';
import { InputError, StateError, UnavailableError } from '#core/errors';
import { runAdmin, tellFailure, type AdminContext } from '../admin/admin-command.ts';
import { nodeEnvironment, type AdminEnvironment } from '../admin/admin-environment.ts';
import { formatTime } from '../admin/text.ts';
import { drainViewSchema, type DrainView } from './operations.contract.ts';
import {
  connectionOf,
  withRunningCoordinator,
  type RunningOptions,
} from './running-coordinator.ts';

const pollIntervalMs = 500;
/** How long the process may take to end once it is drained. */
const endTimeoutMs = 60_000;

type DrainOptions = RunningOptions & { readonly timeout?: string; readonly cancel?: true };

/** Add `drain` to `melo coordinator`. */
export function addDrainCommand(
  coordinator: Command,
  environment: AdminEnvironment = nodeEnvironment(),
): void {
  const command = coordinator
    .command('drain')
    .description('finish the open rounds, open none, then end it: what comes before an upgrade');
  withRunningCoordinator(command, environment)
    .option('--timeout <seconds>', 'wait for so long at most; it goes on draining after that')
    .option('--cancel', 'drain no more: rounds open again')
    .addHelpText(
      'after',
      `
Ctrl+C ends this command alone: the coordinator goes on draining. --cancel undoes it.
Exit codes: 0 drained and ended, or cancelled; 2 usage, 3 token file, 6 unreachable, 7 not allowed,
9 it drains no more, 10 not drained within --timeout.`,
    )
    .action(async (options: DrainOptions) => {
      try {
        const timeoutMs = parseTimeout(options.timeout);
        const connection = await connectionOf(options, environment);
        await runAdmin(connection, environment, (context) =>
          options.cancel === true
            ? cancel(context)
            : drain(context, {
                timeoutMs,
                url: connection.url,
                lockFile: options.url === undefined ? join(options.data, 'coordinator.lock') : null,
              }),
        );
      } catch (error) {
        tellFailure(error, environment, options.json === true);
      }
    });
}

function parseTimeout(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (/^\d{1,7}$/.test(text)) return Number(text) * 1000;
  throw new InputError('USAGE', `--timeout: expected a whole number of seconds, got ${text}`);
}

async function cancel(context: AdminContext): Promise<void> {
  const view = await context.client.send(request('POST', '/v1/drain/cancel', drainViewSchema));
  context.show(
    { event: view.status, ...view },
    view.status === 'drained' ? 'too late: it is drained and ends' : 'rounds open again',
  );
}

async function drain(
  context: AdminContext,
  options: {
    readonly timeoutMs: number;
    readonly url: string;
    readonly lockFile: string | null;
  },
): Promise<void> {
  const { client, environment } = context;
  const endMs = environment.nowMs() + options.timeoutMs;
  const holder = await lockHolder(environment, options.lockFile);
  let view = await client.send(request('POST', '/v1/drain', drainViewSchema));
  for (let shown = ''; view.status !== 'drained';) {
    if (view.status === 'serving') {
      throw new StateError(
        'STATE_CONFLICT',
        'drain: expected it to go on, the coordinator serves again; somebody cancelled it or the process was started anew, run the command again',
      );
    }
    const { rounds, lateUploads } = view;
    const awaited = JSON.stringify({ rounds, lateUploads });
    if (awaited !== shown) {
      context.show({ event: 'draining', ...view }, describe(view, environment.nowMs()));
    }
    shown = awaited;
    if (environment.nowMs() >= endMs) {
      throw new UnavailableError(
        'TIMEOUT',
        `drain: expected the open rounds to end within ${options.timeoutMs / 1000} s, they did not; the coordinator goes on draining, run the command again to wait or with --cancel to undo it`,
      );
    }
    await sleep(pollIntervalMs);
    view = await client.send(request('GET', '/v1/drain', drainViewSchema));
  }
  await untilEnded(environment, { ...options, holder });
  context.show({ event: 'drained' }, 'drained: the coordinator has ended');
}

/** Who holds the data folder; null for nobody, or where it is not on this machine. */
async function lockHolder(
  environment: AdminEnvironment,
  lockFile: string | null,
): Promise<string | null> {
  return lockFile === null ? null : environment.readText(lockFile).catch(() => null);
}

/** Wait until nothing listens any more, and on this machine until the data folder is free. */
async function untilEnded(
  environment: AdminEnvironment,
  {
    url,
    lockFile,
    holder,
  }: { readonly url: string; readonly lockFile: string | null; readonly holder: string | null },
): Promise<void> {
  const endMs = environment.nowMs() + endTimeoutMs;
  while (environment.nowMs() < endMs) {
    const isThere =
      lockFile === null
        ? await isListening(environment, url)
        : holder !== null && holder === (await lockHolder(environment, lockFile));
    if (!isThere) return;
    await sleep(pollIntervalMs);
  }
  throw new UnavailableError(
    'TIMEOUT',
    'drain: expected the process to end once it was drained, it still runs; see its log',
  );
}

async function isListening(environment: AdminEnvironment, url: string): Promise<boolean> {
  try {
    await environment.fetch(new URL('/v1/health', url), { signal: AbortSignal.timeout(5000) });
    return true;
  } catch {
    return false; // whatever hinders asking, it serves nobody
  }
}

/** What is awaited, for people: one line each. */
function describe({ rounds, lateUploads }: DrainView, nowMs: number): string {
  const lines = rounds.map((round) => {
    const members = round.members.map(({ site, status }) => `${site} (${status})`).join(', ');
    const end =
      round.expectedEndAtMs === null
        ? `deadline ${formatTime(round.deadlineAtMs, nowMs)}`
        : `expected to end ${formatTime(round.expectedEndAtMs, nowMs)}, deadline ${formatTime(round.deadlineAtMs, nowMs)}`;
    const awaited = members === '' ? 'its version is being made' : `waits for ${members}`;
    return `  ${round.task} round ${round.round}: ${awaited}; ${end}`;
  });
  for (const { site, task, round } of lateUploads) {
    lines.push(`  ${task} round ${round}: a late update of ${site} is coming in`);
  }
  if (lines.length === 0) return 'draining: nothing is awaited, it ends now';
  return [`draining: ${lines.length} to wait for`, ...lines].join('\n');
}
