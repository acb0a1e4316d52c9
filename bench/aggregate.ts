/**
 * `npm run bench -- aggregate [--sites 50] [--params 1277952] [--pairs 7] [--json]`: seconds and memory of every aggregation method
 * beside NumPy's plain weighted mean of the same number of updates of the same size.
 *
 * Every measurement is a process of its own with its updates in memory; ours and NumPy's take turns, so that other work on the
 * machine meets both. `fedavg.ratio` is how many times our FedAvg goes into NumPy's average, medians of all turns.
 */
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { layoutOfSize } from './aggregate/adapters.ts';
import { turnSchema, type Turn } from './aggregate/messages.ts';
import { measuredPlans } from './aggregate/plans.ts';
import { median } from './round/median.ts';
import { readCommandLine } from './support/command-line.ts';
import { Side } from './train-step/side.ts';

const timeoutMs = 600_000;
const numpyWays = ['average', 'accumulate', 'single'] as const;

const count = (maximum: number) => z.coerce.number().int().min(1).max(maximum);
const command = {
  name: 'aggregate',
  about: `Seconds and memory of every aggregation method beside NumPy's plain weighted mean of as many updates of the same size.
Progress goes to standard error.`,
  options: z.strictObject({
    sites: count(1000).default(50).describe('updates'),
    params: count(100_000_000).default(1_277_952).describe('numbers of A and B in each, about'),
    pairs: count(100).default(7).describe('how often FedAvg and NumPy take turns'),
    json: z.boolean().default(false).describe('the figures as one line of JSON'),
  }),
};
type Options = z.infer<typeof command.options>;

const say = (text: string): void => void process.stderr.write(`aggregate: ${text}\n`);
const round4 = (value: number): number => Math.round(value * 10_000) / 10_000;

function startOurs({ sites, params }: Options): Side {
  const program = fileURLToPath(new URL('./aggregate/our-side.js', import.meta.url));
  return new Side('ours', process.execPath, [program, JSON.stringify({ sites, params })]);
}

function startNumpy({ sites }: Options, size: number): Side {
  const interpreter = process.env['MELO_PYTHON'];
  if (interpreter === undefined) throw new Error('MELO_PYTHON: expected a Python with NumPy');
  const script = fileURLToPath(new URL('./aggregate/numpy_peer.py', import.meta.url));
  return new Side('numpy', interpreter, [script, JSON.stringify({ sites, size })]);
}

const run = async (side: Side, name: string, runs: number): Promise<Turn> =>
  turnSchema.parse(await side.ask({ name, runs }, timeoutMs));

/** One of our ways in a process of its own: a run to warm up, then the runs that count. */
async function measureAlone(options: Options, name: string, runs: number) {
  const side = startOurs(options);
  try {
    await run(side, name, 1);
    const { seconds, extraBytes } = await run(side, name, runs);
    say(`${name}: ${median(seconds).toFixed(3)} s`);
    return { seconds: round4(median(seconds)), extraBytes };
  } finally {
    await side.stop();
  }
}

/** FedAvg and NumPy in turns. */
async function measurePairs(options: Options, size: number) {
  const [ours, numpy] = [startOurs(options), startNumpy(options, size)];
  try {
    const { library } = z.object({ library: z.string() }).parse(await numpy.firstLine(timeoutMs));
    await run(ours, 'fedavg', 1);
    await run(numpy, 'average', 1);
    const [own, peer]: [number[], number[]] = [[], []];
    let [ownBytes, peerBytes] = [0, 0];
    for (let at = 0; at < options.pairs; at++) {
      const turns = [
        async () => {
          const turn = await run(ours, 'fedavg', 3);
          own.push(...turn.seconds);
          ownBytes = turn.extraBytes;
        },
        async () => {
          const turn = await run(numpy, 'average', 3);
          peer.push(...turn.seconds);
          peerBytes = turn.extraBytes;
        },
      ];
      for (const turn of at % 2 === 0 ? turns : turns.toReversed()) await turn();
      say(
        `pair ${at + 1} of ${options.pairs}: ours ${median(own).toFixed(3)} s, NumPy ${median(peer).toFixed(3)} s`,
      );
    }
    const others: Record<string, number> = {};
    for (const way of numpyWays) {
      others[way] = round4(median((await run(numpy, way, 5)).seconds));
    }
    return {
      fedavg: {
        seconds: round4(median(own)),
        extraBytes: ownBytes,
        ratio: round4(median(peer) / median(own)),
      },
      numpy: { library, seconds: round4(median(peer)), extraBytes: peerBytes, ways: others },
    };
  } finally {
    await ours.stop();
    await numpy.stop();
  }
}

async function main(): Promise<void> {
  const options = readCommandLine(command);
  const { size } = layoutOfSize(options.params);
  const { fedavg, numpy } = await measurePairs(options, size);
  const methods: Record<string, object> = {};
  const names = Object.keys(measuredPlans).filter((name) => name !== 'fedavg');
  for (const name of [...names, 'figures']) methods[name] = await measureAlone(options, name, 3);
  const { sites, params, pairs } = options;
  const report = {
    ...{ bench: 'aggregate', sites, params, numbers: size, pairs },
    ...{ fedavg, ...methods, numpy, loadAverage: round4(loadavg()[0] ?? Number.NaN) },
  };
  process.stdout.write(`${JSON.stringify(report, null, options.json ? 0 : 2)}\n`);
}

await main();
