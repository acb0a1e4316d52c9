/**
 * `npm run crash -- [--kills N] [--seed S] [--postgres] [--json]`: real processes, killed at random and at every named moment.
 *
 * Exit codes: 0 nothing was broken, 1 otherwise, 2 wrong usage.
 */
import { z } from 'zod';
import { commonArguments, commonOptions, runChecked } from '../support/checked-run.ts';
import { runCrashes, type CrashReport } from './run-crashes.ts';
import { rules } from './violations.ts';

const usage = `Usage: npm run crash -- [options]

Runs a coordinator and three agents as processes, round after round, and kills them: at random, two at once, at every
named moment of libs/melo-core/src/crash-points.ts; others are stopped and continued. Whoever was killed starts again at
once. Everything that was acknowledged and every version is checked against what a proxy between them heard.

  --kills N     processes to kill (default 200)
  --seed S      what decides who is killed when (default 1)
  --postgres    a PostgreSQL of its own instead of the embedded database
  --json        the last line is one JSON object
  --help        this text

Exit codes: 0 nothing was broken, 1 a violation or a coordinator slower than 5 s (95th percentile), 2 wrong usage.
`;
/** What operators are promised: seconds from a kill to the next answer, in 95 of 100 restarts. */
const servingSecondsMax = 5;

const optionsSchema = z.strictObject({
  kills: z.coerce.number().int().min(1).max(100_000).default(200),
  seed: z.string().min(1).max(64).default('1'),
  ...commonOptions,
});

function linesOf(report: CrashReport): string[] {
  const { kills, versions, acknowledgedUpdates, servingSeconds, reconnectedSeconds } = report;
  return [
    ...report.violations.map(({ rule, what }) => `${rule} (${rules[rule]}): ${what}`),
    `${kills} kills, ${versions} versions, ${report.attemptsAbandoned} attempts abandoned, ` +
      `${acknowledgedUpdates} acknowledged updates; serving again after ${servingSeconds.p95} s, ` +
      `sites back after ${reconnectedSeconds.p95} s (95th percentile); ${report.violations.length} violations`,
  ];
}

process.exitCode = await runChecked({
  name: 'crash',
  usage,
  arguments: { kills: { type: 'string' }, seed: { type: 'string' }, ...commonArguments },
  options: optionsSchema,
  run: ({ kills, seed }, { directory, say }) => {
    const databaseUrl = process.env['DATABASE_URL'];
    const database = databaseUrl === undefined ? {} : { databaseUrl };
    return runCrashes({ directory, kills, seed, say, ...database });
  },
  linesOf,
  isBroken: ({ violations, servingSeconds }) =>
    violations.length > 0 || servingSeconds.p95 > servingSecondsMax,
});
