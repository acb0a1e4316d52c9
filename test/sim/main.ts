/**
 * `npm run sim -- [--seeds N] [--seed S] [--planted] [--json]`: whole federations in virtual time, one a seed.
 *
 * Exit codes: 0 nothing was broken (with --planted: every mistake was found), 1 otherwise, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { invariants, type Violation } from './observer.ts';
import { plantedFaults } from './planted.ts';
import { simulate } from './simulate.ts';

const usage = `Usage: npm run sim -- [options]

Simulates federations in virtual time: sites, a coordinator, a network that loses, repeats and delays, crashes, full disks.

  --seeds N    run the seeds 1 to N (default 1000, with --planted 5000)
  --seed S     run one seed and print all that happened in it
  --planted    run deliberate mistakes, each until a seed finds it, at most N seeds
  --json       the last line is one JSON object
  --help       this text
`;
const exitCodes = { ok: 0, broken: 1, usage: 2 } as const;
const progressIntervalMs = 2000;
const shownMax = 20;

const seedSchema = z.coerce.number().int().min(1).max(1_000_000_000);
const optionsSchema = z.strictObject({
  seeds: seedSchema.optional(),
  seed: seedSchema.optional(),
  planted: z.boolean().default(false),
  json: z.boolean().default(false),
  help: z.boolean().default(false),
});
type Options = z.infer<typeof optionsSchema>;

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** A line on standard error every two seconds: how far, how long still. */
class Progress {
  readonly #startedAtMs = performance.now();
  readonly #what: string;
  readonly #total: number;
  #saidAtMs = performance.now();

  constructor(what: string, total: number) {
    this.#what = what;
    this.#total = total;
  }

  at(done: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#saidAtMs < progressIntervalMs) return;
    this.#saidAtMs = nowMs;
    const leftSeconds = ((nowMs - this.#startedAtMs) / done) * (this.#total - done) * 1e-3;
    const left = `about ${Math.ceil(leftSeconds)} s left`;
    process.stderr.write(`sim: ${done} of ${this.#total} ${this.#what}, ${left}\n`);
  }
}

const violationText = (seed: number, { atMs, invariant, what }: Violation): string =>
  `seed ${seed} at ${atMs} ms: ${invariant} (${invariants[invariant]}): ${what}`;

function runSeeds({ seeds = 1000, json }: Options): number {
  const progress = new Progress('seeds', seeds);
  const totals = { seeds, events: 0, attempts: 0, versions: 0, violations: 0 };
  const failing: number[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const { violations, events, attempts, versions } = simulate(seed);
    totals.events += events;
    totals.attempts += attempts;
    totals.versions += versions;
    totals.violations += violations.length;
    if (violations.length > 0) failing.push(seed);
    for (const violation of violations)
      if (failing.length <= shownMax) print(violationText(seed, violation));
    progress.at(seed);
  }
  const { events, attempts, versions, violations } = totals;
  print(
    `${seeds} seeds: ${events} events, ${attempts} attempts at rounds, ${versions} versions, ${violations} violations`,
  );
  const [first] = failing;
  if (first !== undefined) print(`see what happened: npm run sim -- --seed ${first}`);
  if (json) print(JSON.stringify({ ...totals, failing: failing.slice(0, shownMax) }));
  return failing.length === 0 ? exitCodes.ok : exitCodes.broken;
}

function runOne(seed: number, { json }: Options): number {
  const result = simulate(seed, {}, json ? undefined : print);
  for (const violation of result.violations) print(violationText(seed, violation));
  print(`seed ${seed}: ${result.violations.length} violations, trace ${result.traceDigest}`);
  if (json) print(JSON.stringify(result));
  return result.violations.length === 0 ? exitCodes.ok : exitCodes.broken;
}

function runPlanted({ seeds = 5000, json }: Options): number {
  const progress = new Progress('mistakes', plantedFaults.length);
  const found = plantedFaults.map(({ name, what, ports }, index) => {
    const caught = findingSeed(ports, seeds);
    const by =
      caught === null ? `NOT FOUND in ${seeds} seeds` : `${caught.invariant}, seed ${caught.seed}`;
    print(`${name.padEnd(28)} ${by.padEnd(38)} ${what}`);
    progress.at(index + 1);
    return { name, what, caught };
  });
  const missed = found.filter(({ caught }) => caught === null);
  print(`${found.length - missed.length} of ${found.length} planted mistakes found`);
  if (json) print(JSON.stringify({ planted: found.length, missed: missed.length, found }));
  return missed.length === 0 ? exitCodes.ok : exitCodes.broken;
}

function findingSeed(
  ports: Parameters<typeof simulate>[1],
  seeds: number,
): { readonly seed: number; readonly invariant: string } | null {
  for (let seed = 1; seed <= seeds; seed++) {
    const [violation] = simulate(seed, ports).violations;
    if (violation !== undefined) return { seed, invariant: violation.invariant };
  }
  return null;
}

function readOptions(): Options | string {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string' },
        planted: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const parsed = optionsSchema.safeParse(values);
    return parsed.success ? parsed.data : z.prettifyError(parsed.error);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function main(): number {
  const options = readOptions();
  if (typeof options === 'string') {
    process.stderr.write(`sim: ${options}\n${usage}`);
    return exitCodes.usage;
  }
  if (options.help) {
    process.stdout.write(usage);
    return exitCodes.ok;
  }
  if (options.seed !== undefined) return runOne(options.seed, options);
  return options.planted ? runPlanted(options) : runSeeds(options);
}

process.exitCode = main();
