/**
 * `npm run bench -- round --sites 5 --params 147456 --rounds 20 [--database postgresql] [--probe] --json`: seconds a round takes
 * without its training.
 *
 * Real processes over loopback: a coordinator with its database, and sites that pull, fetch the global adapter, accept, seal
 * a random update, upload and commit at once. What remains is the protocol, the disk and the aggregation. `--probe` says where
 * the coordinator's time goes and whether its memory grows; it costs some of the time that it measures.
 */
import { mkdir } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { loraParameterCount } from '#core/adapter';
import {
  limits,
  siteIdSchema,
  taskIdSchema,
  type BackboneReference,
  type SiteId,
  type TaskDefinitionInput,
} from '#core/protocol';
import type { RouteOutput } from '../apps/coordinator/src/common/contract.ts';
import { roundRoutes, type RoundView } from '../apps/coordinator/src/rounds/rounds.contract.ts';
import { Federation } from '../test/support/federation.ts';
import { killAllProcesses } from '../test/support/melo-process.ts';
import { makeWorkDirectory } from '../test/support/package-root.ts';
import { taskDefinition } from '../test/support/small-federation.ts';
import { cpuSecondsOfAll, residentMegabytesMax } from './round/cpu-time.ts';
import { measureFsyncMs } from './round/fsync.ts';
import { median, quantile } from './round/median.ts';
import { probeArguments, summariseProbe, type ProbeSummary } from './round/probe-summary.ts';
import { SiteProcess } from './round/site-process.ts';
import { readCommandLine } from './support/command-line.ts';

const task = taskIdSchema.parse('bench-round');
const rank = 4;
const blocks = 12;
const classes = ['negative', 'positive'];
const secondsPerRoundMax = 30;
const numbersPerDimension = loraParameterCount({ dimension: 1, blocks, rank });

const countOption = (maximum: number) => z.coerce.number().int().min(1).max(maximum);
const command = {
  name: 'round',
  about: `Seconds a round takes without its training: a coordinator with its database and sites in processes of their own, over
loopback, each of which sends a random update at once.`,
  options: z.strictObject({
    sites: countOption(limits.membersMax).default(5).describe('members of every round'),
    params: countOption(8192 * numbersPerDimension)
      .refine((count) => count % numbersPerDimension === 0, {
        message: `expected a multiple of ${numbersPerDimension}: rank ${rank} at q and v of ${blocks} blocks`,
      })
      .default(147_456)
      .describe('numbers of A and B in an update'),
    rounds: countOption(500).default(20).describe('rounds'),
    database: z.enum(['pglite', 'postgresql']).default('pglite').describe('pglite or postgresql'),
    probe: z
      .boolean()
      .default(false)
      .describe(
        "where the coordinator's time goes and whether its memory grows; costs time itself",
      ),
    json: z.boolean().default(false).describe('the figures as one line of JSON'),
  }),
};
type Options = z.infer<typeof command.options>;

/** A backbone that nobody has: the coordinator knows its shape alone. */
function backboneOf(params: number): BackboneReference {
  const dimension = params / numbersPerDimension;
  const fingerprint = 'be'.repeat(32);
  return { name: 'bench', fingerprint, dimension, blocks, patchSize: 16, imageSize: 224 };
}

function definitionOf(
  backbone: BackboneReference,
  { rounds }: Options,
  members: readonly string[],
): TaskDefinitionInput {
  const half: [number, number, number] = [0.5, 0.5, 0.5];
  return taskDefinition({ task, backbone, mean: half, std: half, classes, members, rounds });
}

/** Enrol, approve and connect one site. */
async function bringIn(
  federation: Federation,
  site: SiteId,
  backbone: BackboneReference,
): Promise<SiteProcess> {
  const member = new SiteProcess();
  const code = await federation.invite(site);
  await member.obey({ order: 'enroll', site, url: federation.url, code, task, backbone });
  await federation.approve(site);
  await member.obey({ order: 'connect' });
  return member;
}

/** When the first round opened and each one settled, in milliseconds. */
async function timesOfRounds(federation: Federation): Promise<number[]> {
  const rounds: RoundView[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const query = cursor === '' ? {} : { cursor };
    const page: RouteOutput<typeof roundRoutes.list> = await federation.call(roundRoutes.list, {
      ...{ params: { task }, query },
    });
    rounds.push(...page.rounds);
    cursor = page.nextCursor;
  }
  const ordered = rounds.sort((a, b) => a.round - b.round);
  const bad = ordered.find((round) => round.phase !== 'published');
  if (bad !== undefined) throw new Error(`round ${bad.round}: ${bad.phase}, ${bad.reason ?? ''}`);
  const settled = ordered.map(({ settledAtMs }) => settledAtMs ?? Number.NaN);
  return [ordered[0]?.openedAtMs ?? Number.NaN, ...settled];
}

/** Seconds between the settling of one round and the next; the first counts from its opening. */
function secondsOfRounds(timesMs: readonly number[]): number[] {
  return timesMs.slice(1).map((timeMs, at) => (timeMs - (timesMs[at] ?? Number.NaN)) / 1000);
}

/** CPU seconds for all rounds, null where the system does not tell. */
interface CpuSplit {
  readonly coordinator: number | null;
  /** All site processes together. */
  readonly sites: number | null;
}

interface Measured {
  readonly seconds: readonly number[];
  readonly cpuSeconds: CpuSplit;
  /** The coordinator's peak, null where the system does not tell. */
  readonly residentMegabytesMax: number | null;
  readonly probe: ProbeSummary | null;
}

async function cpuSplit(coordinatorId: number, members: readonly SiteProcess[]): Promise<CpuSplit> {
  return {
    coordinator: await cpuSecondsOfAll([coordinatorId]),
    sites: await cpuSecondsOfAll(members.map(({ pid }) => pid)),
  };
}

async function measure(directory: string, options: Options): Promise<Measured> {
  const probeFolder = join(directory, 'probe');
  await mkdir(probeFolder);
  const databaseUrl = options.database === 'postgresql' ? process.env['DATABASE_URL'] : undefined;
  if (options.database === 'postgresql' && databaseUrl === undefined)
    throw new Error('round: expected DATABASE_URL, as npm run bench sets it');
  const federation = new Federation(directory, {
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(options.probe ? probeArguments(probeFolder) : {}),
  });
  await federation.startCoordinator();
  const backbone = backboneOf(options.params);
  const names = Array.from({ length: options.sites }, (_, at) =>
    siteIdSchema.parse(`site-${at + 1}`),
  );
  const members: SiteProcess[] = [];
  try {
    for (const name of names) members.push(await bringIn(federation, name, backbone));
    const processId = federation.coordinator?.pid ?? -1;
    const before = await cpuSplit(processId, members);
    await federation.createTask(definitionOf(backbone, options, names));
    // Asking the coordinator again and again would be part of what is measured: the sites hear of it anyway.
    await withinTime(
      Promise.all(members.map((each) => each.obey({ order: 'await', version: options.rounds }))),
      options.rounds * secondsPerRoundMax * 1000,
    );
    const after = await cpuSplit(processId, members);
    const timesMs = await timesOfRounds(federation);
    return {
      seconds: secondsOfRounds(timesMs),
      residentMegabytesMax: await residentMegabytesMax(processId),
      probe: options.probe ? await summariseProbe(probeFolder, timesMs) : null,
      cpuSeconds: {
        coordinator: difference(after.coordinator, before.coordinator),
        sites: difference(after.sites, before.sites),
      },
    };
  } finally {
    for (const member of members) member.stop();
    await federation.stop();
  }
}

async function withinTime(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  const late = sleep(timeoutMs, 'late', { ref: false });
  if ((await Promise.race([work, late])) === 'late')
    throw new Error(`rounds: not done after ${timeoutMs / 1000} s`);
}

async function main(): Promise<void> {
  const options = readCommandLine(command);
  const work = await makeWorkDirectory('bench-round');
  try {
    const fsyncMs = await measureFsyncMs(work.path);
    const measured = await measure(work.path, options);
    const { seconds, cpuSeconds } = measured;
    const { json, probe: _isProbed, ...sizes } = options;
    const figures = {
      bench: 'round',
      ...sizes,
      secondsPerRound: round4(median(seconds)),
      secondsPerRound90: round4(quantile(seconds, 0.9)),
      fsyncMilliseconds: round4(fsyncMs),
      cpuSecondsPerRound: perRound(cpuSeconds, sizes.rounds),
      residentMegabytesMax: measured.residentMegabytesMax,
      ...(measured.probe === null ? {} : { probe: measured.probe }),
      ...{ node: process.version, cores: availableParallelism() },
      loadAverage: round4(loadavg()[0] ?? Number.NaN),
    };
    if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    else {
      const { coordinator, sites } = figures.cpuSecondsPerRound;
      process.stdout.write(
        `${sizes.rounds} rounds, ${sizes.sites} sites, ${sizes.params} numbers: median ${figures.secondsPerRound} s, ` +
          `90 % within ${figures.secondsPerRound90} s; one fsync of this disk ${figures.fsyncMilliseconds} ms; ` +
          `CPU a round: coordinator ${coordinator ?? '?'} s, all sites ${sites ?? '?'} s; ` +
          `coordinator's memory at its peak ${figures.residentMegabytesMax ?? '?'} MB\n`,
      );
      if (measured.probe !== null)
        process.stdout.write(`${JSON.stringify(measured.probe, null, 2)}\n`);
    }
  } finally {
    await killAllProcesses();
    await work.remove();
  }
}

function difference(after: number | null, before: number | null): number | null {
  return after === null || before === null ? null : after - before;
}

function perRound({ coordinator, sites }: CpuSplit, rounds: number): CpuSplit {
  const share = (seconds: number | null) => (seconds === null ? null : round4(seconds / rounds));
  return { coordinator: share(coordinator), sites: share(sites) };
}

const round4 = (value: number): number => Math.round(value * 10_000) / 10_000;

await main();
