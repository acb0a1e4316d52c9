/** `melo simulate`: runs a plan, shows how far it is, and leaves the results as JSON, CSV, a figure and a table. */
import { join, resolve } from 'node:path';
import { InputError } from '#core/errors';
import { makeWritableDirectory, writeDurably } from '../common/durable-file.ts';
import { atPath } from '../common/path-error.ts';
import { Interrupted, interruptedExitCode } from '../common/terminal.ts';
import { examplePlan } from '../simulation/example-plan.ts';
import { loadPlan } from '../simulation/plan.ts';
import { resultsFigure } from '../simulation/results-figure.ts';
import { resultsCsv, resultsTable } from '../simulation/results-text.ts';
import type { SimulationResults } from '../simulation/results.ts';
import { simulate, type SimulationProgress } from '../simulation/simulation.ts';
import { hasDoneRounds } from '../simulation/work-store.ts';
import { simulationReporter } from './simulate-progress.ts';

/** What the command line asks for. */
export interface SimulateOptions {
  readonly plan: string;
  readonly output: string;
  readonly isResumed: boolean;
  readonly isJson: boolean;
}

const whenStopped = 'melo simulate: stopped; the same command with --resume goes on';

/** Print the example. */
export function printExample(): void {
  process.stdout.write(examplePlan);
}

/** Abort on the first signal; a second one ends the process at once: what was done is whole either way. */
function abortOnSignals(): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(interruptedExitCode);
    controller.abort(new Interrupted(whenStopped));
  };
  for (const name of names) process.on(name, onSignal);
  const end = (): void => {
    for (const name of names) process.off(name, onSignal);
  };
  return { signal: controller.signal, end };
}

/** Write the results where the work lies; each file whole. */
async function writeResults(directory: string, results: SimulationResults): Promise<void> {
  const files = {
    'results.json': `${JSON.stringify(results, null, 1)}\n`,
    'results.csv': resultsCsv(results),
    'auc-by-round.svg': resultsFigure(results),
  };
  for (const [name, content] of Object.entries(files))
    await writeDurably(join(directory, name), content);
}

/**
 * Refuse to mix a plan with what an earlier start finished; one that failed before its first round left nothing to mix.
 *
 * @throws InputError USAGE
 */
export async function checkOutput(directory: string, isResumed: boolean): Promise<void> {
  if (isResumed || !(await hasDoneRounds(directory))) return;
  throw new InputError(
    'USAGE',
    `${directory}: expected a folder without earlier work, there is some; add --resume to go on with it, or name another folder by --output`,
  );
}

/**
 * Run a plan to its end, or until a signal.
 *
 * @throws InputError USAGE where the output folder holds earlier work and `isResumed` is not set, or cannot be written;
 *   CONFIG_INVALID; Interrupted
 */
export async function runSimulation(options: SimulateOptions): Promise<void> {
  const { isResumed, isJson } = options;
  const plan = await loadPlan(options.plan);
  const directory = resolve(options.output);
  const expected = 'an output folder that this user can write';
  await atPath({ path: directory, expected }, async () => {
    await checkOutput(directory, isResumed);
    await makeWritableDirectory(directory);
  });
  const reporter = simulationReporter(process.stderr);
  const { signal, end } = abortOnSignals();
  const onProgress = (progress: SimulationProgress): void => reporter.report(progress);
  try {
    const results = await simulate({ plan, directory, signal, onProgress });
    reporter.end();
    await writeResults(directory, results);
    process.stdout.write(isJson ? `${JSON.stringify(results)}\n` : resultsTable(results));
    process.stderr.write(`results: ${directory}\n`);
  } finally {
    reporter.end();
    end();
  }
}
