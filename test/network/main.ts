/**
 * `npm run network -- [--faults LIST] [--rounds N] [--seed S] [--json]`: a federation of processes behind a bad line.
 *
 * Exit codes: 0 nothing was broken, 1 otherwise, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { killAllProcesses } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
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
const exitCodes = { ok: 0, broken: 1, usage: 2 } as const;

const optionsSchema = z.strictObject({
  faults: z
    .string()
    .transform((list) => list.split(','))
    .pipe(z.array(z.enum(names)))
    .default(names),
  rounds: z.coerce.number().int().min(1).max(1000).optional(),
  seed: z.string().min(1).max(64).default('1'),
  json: z.boolean().default(false),
  help: z.boolean().default(false),
});

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const say = (line: string): void => {
  process.stderr.write(`network: ${line}\n`);
};

function readOptions(): z.infer<typeof optionsSchema> {
  const { values } = parseArgs({
    options: {
      faults: { type: 'string' },
      rounds: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  return optionsSchema.parse(values);
}

function show(report: NetworkReport): void {
  for (const violation of report.violations) print(violation);
  for (const { fault, rounds, seconds, reconnects, up, down } of report.faults)
    print(
      `${fault.padEnd(12)} ${rounds} rounds, ${seconds} s, ${reconnects} reconnects; sent again ` +
        `${up.resentBytes} bytes up (${up.worstResentBytes} at most after one cut), ` +
        `${down.resentBytes} down (${down.worstResentBytes})`,
    );
  for (const { sites, awaySeconds, lastSeconds } of report.returns)
    print(`${sites} sites back ${lastSeconds} s after a start that followed ${awaySeconds} s`);
  print(
    `${report.rounds} rounds of ${report.sites} sites in ${report.seconds} s; at most ${report.worstResentBytes} bytes ` +
      `sent again after one cut, ${report.windowBytes} allowed; ${report.violations.length} violations`,
  );
}

async function main(): Promise<number> {
  let options: z.infer<typeof optionsSchema>;
  try {
    options = readOptions();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return exitCodes.usage;
  }
  if (options.help) {
    process.stdout.write(usage);
    return exitCodes.ok;
  }
  const { path, remove } = await makeWorkDirectory('network-run');
  const { rounds, seed } = options;
  try {
    const report = await runNetwork({
      ...{ directory: path, seed, say, sites: 5 },
      faults: allFaults
        .filter(({ name }) => options.faults.includes(name))
        .map((fault) => ({ ...fault, rounds: rounds ?? fault.rounds })),
      isReturnMeasured: options.faults.includes(returnName),
    });
    if (options.json) print(JSON.stringify(report));
    else show(report);
    const isBroken = report.violations.length > 0;
    if (!isBroken) await remove();
    else say(`the logs are in ${path}`);
    return isBroken ? exitCodes.broken : exitCodes.ok;
  } finally {
    await killAllProcesses();
  }
}

process.exitCode = await main();
