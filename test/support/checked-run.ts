/** What the long runs of processes have in common: their options, a folder, a report, how they end, and that nothing they started outlives them. */
import { constants } from 'node:os';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { z } from 'zod';
import { killAllProcesses } from './melo-process.ts';
import { makeWorkDirectory } from './package-root.ts';

const exitCodes = { ok: 0, broken: 1, usage: 2 } as const;

/** Options that every such run takes, for `parseArgs`. */
export const commonArguments = { json: { type: 'boolean' }, help: { type: 'boolean' } } as const;
/** The same, parsed. */
export const commonOptions = {
  json: z.boolean().default(false),
  help: z.boolean().default(false),
} as const;

/** One run that checks something. */
export interface CheckedRun<
  Options extends { readonly json: boolean; readonly help: boolean },
  Report,
> {
  /** Begins its lines and names its folder. */
  readonly name: string;
  readonly usage: string;
  readonly arguments: NonNullable<ParseArgsConfig['options']>;
  readonly options: z.ZodType<Options>;
  readonly run: (
    options: Options,
    world: { readonly directory: string; readonly say: (line: string) => void },
  ) => Promise<Report>;
  /** The report for people, line by line. */
  readonly linesOf: (report: Report) => readonly string[];
  readonly isBroken: (report: Report) => boolean;
}

/** End as a signal asks, and take along what was started. */
function endTogether(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      void killAllProcesses().finally(() => process.exit(128 + constants.signals[signal]));
    });
  }
}

/** Run it and return the exit code: 0 nothing was broken, 1 otherwise, 2 wrong usage. */
export async function runChecked<
  Options extends { readonly json: boolean; readonly help: boolean },
  Report,
>(checked: CheckedRun<Options, Report>): Promise<number> {
  const { name, usage } = checked;
  let options: Options;
  try {
    options = checked.options.parse(parseArgs({ options: checked.arguments }).values);
  } catch (error) {
    const what = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    process.stderr.write(`${what}\n\n${usage}`);
    return exitCodes.usage;
  }
  if (options.help) {
    process.stdout.write(usage);
    return exitCodes.ok;
  }
  endTogether();
  const say = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
  const { path, remove } = await makeWorkDirectory(`${name}-run`);
  try {
    const report = await checked.run(options, { directory: path, say });
    const lines = options.json ? [JSON.stringify(report)] : checked.linesOf(report);
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    if (!checked.isBroken(report)) {
      await remove();
      return exitCodes.ok;
    }
    say(`the logs are in ${path}`);
    return exitCodes.broken;
  } finally {
    await killAllProcesses();
  }
}
