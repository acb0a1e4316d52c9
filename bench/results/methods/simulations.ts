/** Runs plans of `melo simulate`, each in a process of its own and as many side by side as there are cores; each goes on where it was stopped. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  columnNames,
  type SimulationPlanInput,
} from '../../../apps/site-agent/src/simulation/plan.ts';
import { packageRoot } from '../../../test/support/package-root.ts';

const figuresSchema = z.object({ auc: z.number().nullable() });
const resultsSchema = z.object({
  runs: z.array(
    z.object({
      run: z.string(),
      seed: z.number(),
      sites: z.array(z.object({ name: z.string() })),
      columns: z.array(
        z.object({
          column: z.enum(columnNames),
          trainedAt: z.string().nullable(),
          rounds: z.array(
            z.object({ union: figuresSchema, bySite: z.record(z.string(), figuresSchema) }),
          ),
        }),
      ),
    }),
  ),
});
/** What the table reads of a plan's results. */
export type PlanResults = z.infer<typeof resultsSchema>;

/** A plan and the folder that its work is kept in. */
export interface PlannedWork {
  readonly name: string;
  readonly plan: SimulationPlanInput;
}

const resultsBytesMax = 64 * 1024 * 1024;
const errorCharactersKept = 2000;
const running = new Set<ChildProcess>();

function stopAll(): void {
  for (const child of running) child.kill('SIGTERM');
}

/** While plans run, whatever ends this process ends them too; the returned function gives up the watch. */
function endTogether(): () => void {
  const onSignal = (): void => process.exit(1); // which calls what follows
  process.once('exit', stopAll);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  return () => {
    process.off('exit', stopAll);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  };
}

/** Run one plan to its end. */
async function simulatePlan(directory: string, { name, plan }: PlannedWork): Promise<PlanResults> {
  const output = join(directory, name);
  await mkdir(output, { recursive: true });
  const file = join(output, 'plan.yaml');
  await writeFile(file, JSON.stringify(plan)); // JSON is YAML
  const melo = join(packageRoot, 'bin', 'melo.mjs');
  const child = spawn(
    process.execPath,
    [melo, 'simulate', file, '--output', output, '--resume', '--json'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  running.add(child);
  let [text, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    if (text.length < resultsBytesMax) text += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    errors = (errors + part).slice(-errorCharactersKept);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  running.delete(child);
  if (status !== 0)
    throw new Error(`${name}: melo simulate ended with ${String(status)}: ${errors}`);
  return resultsSchema.parse(JSON.parse(text));
}

/**
 * Run plans, some side by side; the first failure stops the rest.
 *
 * @returns their results in the order of the plans
 */
export async function simulatePlans(options: {
  readonly directory: string;
  readonly plans: readonly PlannedWork[];
  readonly sideBySide: number;
  readonly onDone: (name: string) => void;
}): Promise<PlanResults[]> {
  const { directory, plans, sideBySide, onDone } = options;
  const results = new Map<string, PlanResults>();
  const queue = [...plans];
  let isStopped = false;
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined && !isStopped; next = queue.shift()) {
      try {
        results.set(next.name, await simulatePlan(directory, next));
      } catch (error) {
        isStopped = true;
        stopAll();
        throw error;
      }
      onDone(next.name);
    }
  };
  const giveUp = endTogether();
  try {
    await Promise.all(Array.from({ length: sideBySide }, worker));
  } finally {
    giveUp();
  }
  return plans.flatMap(({ name }) => results.get(name) ?? []);
}
