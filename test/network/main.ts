/**
 * `npm run network -- [--faults LIST] [--rounds N] [--seed S] [--json]`: a federation of processes behind a bad line.
 *
 * Exit codes: 0 nothing was broken, 1 otherwise, 2 wrong usage.
 */
import { z } from 'zod';
import { commonArguments, commonOptions, runChecked } from '../support/checked-run.ts';
import { faults as allFaults } from './faults.ts';
import { runNetwork, type NetworkReport } from './run-network.ts';

const returnName = 'return';
const names = [...allFaults.map(({ name }) => name), returnName];
const usage = `Usage: npm run network -- [options]

Runs a coordinator and five sites as processes, an adapter of 1.3 million parameters between them and a proxy that does
to their connections what networks do. Every round must count every site; what a broken connection makes to be sent again
is counted, in both directions, and must not be more than the ranges that were on their way. Then the coordinator is
killed twice, and fifty more sites must be back within 30 s of its start.

  --faults LIST  these alone, with commas: ${names.join(', ')}
  --rounds N     rounds of each fault (default: 2 to 10, 55 in all)
  --seed S       what decides when something happens (default 1)
  --json         the last line is one JSON object
  --help         this text

${allFaults.map(({ name, what }) => `  ${name.padEnd(13)}  ${what}`).join('\n')}

Exit codes: 0 nothing was broken, 1 a violation, 2 wrong usage.
`;

const optionsSchema = z.strictObject({
  faults: z
    .string()
    .transform((list) => list.split(','))
    .pipe(z.array(z.enum(names)))
    .default(names),
  rounds: z.coerce.number().int().min(1).max(1000).optional(),
  seed: z.string().min(1).max(64).default('1'),
  ...commonOptions,
});

const linesOf = (report: NetworkReport): string[] => [
  ...report.violations,
  ...report.faults.map(
    ({ fault, rounds, seconds, reconnects, up, down }) =>
      `${fault.padEnd(12)} ${rounds} rounds, ${seconds} s, ${reconnects} reconnects; sent again ` +
      `${up.resentBytes} bytes up (${up.worstResentBytes} at most after one cut), ` +
      `${down.resentBytes} down (${down.worstResentBytes})`,
  ),
  ...report.returns.map(
    ({ sites, awaySeconds, lastSeconds }) =>
      `${sites} sites back ${lastSeconds} s after a start that followed ${awaySeconds} s`,
  ),
  `${report.rounds} rounds of ${report.sites} sites in ${report.seconds} s; at most ${report.worstResentBytes} bytes ` +
    `sent again after one cut, ${report.windowBytes} allowed; ${report.violations.length} violations`,
];

process.exitCode = await runChecked({
  name: 'network',
  usage,
  arguments: {
    faults: { type: 'string' },
    rounds: { type: 'string' },
    seed: { type: 'string' },
    ...commonArguments,
  },
  options: optionsSchema,
  run: ({ faults, rounds, seed }, { directory, say }) =>
    runNetwork({
      ...{ directory, seed, say, sites: 5 },
      faults: allFaults
        .filter(({ name }) => faults.includes(name))
        .map((fault) => ({ ...fault, rounds: rounds ?? fault.rounds })),
      isReturnMeasured: faults.includes(returnName),
    }),
  linesOf,
  isBroken: ({ violations }) => violations.length > 0,
});
