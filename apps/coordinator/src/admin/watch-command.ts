/** `melo admin watch`: tasks, rounds and members as they are now, for as long as somebody looks. */
import type { Command } from 'commander';
import { InputError } from '#core/errors';
import {
  type AdminContext,
  connect,
  type ConnectionOptions,
  readToken,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { parseNumber } from './text.ts';
import { ChangesOutput, linesOf, ScreenOutput, type WatchOutputOptions } from './watch-output.ts';
import { nodeWatchPorts, type WatchPorts } from './watch-ports.ts';
import { Watch, WatchLook } from './watch.ts';

type WatchOptions = ConnectionOptions & { readonly once?: true; readonly interval: string };

const help = `
On a terminal it is drawn in place, elsewhere each change is a line; with --json each is one object: "event" is task, round,
member, figures or connection. The coordinator says over the dashboard's socket that something changed; where that does not
get through it is looked at every --interval seconds. Without a connection the last state stays, marked STALE with its time,
and it is tried again for ever. OUT are members of whom nothing comes into the version, with the reason. Ctrl-C ends it.
Exit codes: 0 ended by Ctrl-C, or shown with --once; 2 usage, 3 token file, 6 not reachable at the beginning, 7 not allowed
(any more), 8 no such task.`;

const intervalSecondsMax = 3600;

/** Add `watch` to `admin`. */
export function addWatchCommand(
  admin: Command,
  environment: AdminEnvironment,
  ports: WatchPorts = nodeWatchPorts(),
): void {
  const command = admin
    .command('watch')
    .description('show tasks, rounds and members live; one task where it is named')
    .argument('[task]', 'the task; all of them by default');
  withConnection(command, environment)
    .option('--once', 'show it once and end')
    .option('--interval <seconds>', 'how often to look where changes are not told', '5')
    .addHelpText('after', help)
    .action((task: string | undefined, options: WatchOptions) =>
      runAdmin(options, environment, (context) => watch(context, task, options, ports)),
    );
}

async function watch(
  context: AdminContext,
  task: string | undefined,
  options: WatchOptions,
  ports: WatchPorts,
): Promise<void> {
  const { environment } = context;
  const intervalMs = parseInterval(options.interval) * 1000;
  const isJson = options.json === true;
  const print = (line: string): void => {
    environment.print(line);
  };
  const output: WatchOutputOptions = { url: options.url, intervalMs, print };
  if (options.once === true) {
    const tasks = await new WatchLook(context.client, environment, task).look({ isLive: false });
    const nowMs = environment.nowMs();
    const freshness = { state: 'polling', sinceMs: nowMs, reason: null } as const;
    const [, ...lines] = linesOf({ tasks, freshness, nowMs }, output);
    context.show({ atMs: nowMs, tasks }, [options.url, ...lines].join('\n'));
    return;
  }
  const signal = ports.untilInterrupted();
  const client = await connect(options, interruptible(environment, signal));
  const token = await readToken(options.tokenFile, environment);
  const look = new WatchLook(client, environment, task);
  await new Watch({
    ...{ ports, environment, signal, intervalMs, look },
    address: { url: options.url, token },
    open: () =>
      ports.screen === null || isJson
        ? new ChangesOutput(output, isJson)
        : new ScreenOutput(ports.screen, output),
  }).run();
}

function parseInterval(text: string): number {
  const seconds = parseNumber('--interval', text);
  if (seconds >= 1 && seconds <= intervalSecondsMax) return seconds;
  throw new InputError(
    'USAGE',
    `--interval: expected 1 to ${intervalSecondsMax} seconds, got ${seconds}`,
  );
}

/** The same world, whose requests end with the command. */
function interruptible(environment: AdminEnvironment, signal: AbortSignal): AdminEnvironment {
  return {
    ...environment,
    fetch: (input, init) => {
      const own = init?.signal ?? null;
      const both = own === null ? signal : AbortSignal.any([signal, own]);
      return environment.fetch(input, { ...init, signal: both });
    },
  };
}
