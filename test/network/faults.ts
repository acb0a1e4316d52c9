/** What is done to the line, one fault after the other, and all of them at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRng } from '#core/rng';
import type { Faults, FaultProxy, ProxyDirection, Span } from '../support/fault-proxy.ts';

/** What a fault may do beside the line's own faults. */
export interface FaultContext {
  readonly proxy: FaultProxy;
  readonly rng: SeededRng;
  readonly signal: AbortSignal;
  /** Wait until so many more ranges were begun in a direction; false where the rounds ended before. */
  amidTransfer(direction: ProxyDirection, ranges: number): Promise<boolean>;
  /** End the coordinator and start it again. */
  restart(signal: NodeJS.Signals): Promise<void>;
}

/** One fault. */
export interface Fault {
  readonly name: string;
  readonly what: string;
  readonly rounds: number;
  /** What the line does all the time. */
  readonly line?: Faults;
  /** What happens once a round, amid a transfer. */
  readonly strike?: (context: FaultContext, strike: number) => Promise<void>;
  /** What happens all the time, until the signal. */
  readonly meanwhile?: (context: FaultContext) => Promise<void>;
}

const shortHoleMs = 20_000;
/** Longer than the silence after which a link is taken for dead. */
const longHoleMs = 60_000;
const cutBytes: Span = [1, 2_500_000];
const rangesOfRoundMax = 90;

/** Wait, or until the signal. */
async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await sleep(durationMs, undefined, { signal }).catch(() => undefined);
}

const between = (rng: SeededRng, [least, most]: Span): number =>
  Math.round(least + (most - least) * rng.nextFloat());

async function blackHole({ proxy, signal }: FaultContext, durationMs: number): Promise<void> {
  proxy.faults = { isBlackHole: true };
  await pause(durationMs, signal);
  proxy.faults = {};
}

/** Draw a line that may be bad in every way at once, and still carries something. */
function anyLine(rng: SeededRng): Faults {
  const isSo = (): boolean => rng.nextFloat() < 0.4;
  const line = (): NonNullable<Faults['up']> => ({
    ...(isSo() ? { latencyMs: [10, 200] } : {}),
    ...(isSo() ? { bytesPerSecond: between(rng, [1_000_000, 5_000_000]) } : {}),
    ...(isSo() ? { dripBytes: [500, 4000] } : {}),
    ...(isSo() ? { cutAfterBytes: cutBytes } : {}),
  });
  return { up: line(), down: line(), ...(isSo() ? { resetAfterMs: [1000, 8000] } : {}) };
}

async function everything(context: FaultContext): Promise<void> {
  const { proxy, rng, signal } = context;
  while (!signal.aborted) {
    proxy.faults = anyLine(rng);
    await pause(between(rng, [1000, 5000]), signal);
    const event = rng.nextFloat();
    if (event < 0.04) await context.restart('SIGKILL');
    else if (event < 0.08) await context.restart('SIGTERM');
    else if (event < 0.12) proxy.halfOpenAll();
    else if (event < 0.16) await blackHole(context, between(rng, [1000, longHoleMs]));
  }
}

/** Every fault, in the order of the run. */
export const faults: readonly Fault[] = [
  { name: 'none', what: 'nothing: what the others are compared with', rounds: 5 },
  {
    name: 'latency',
    what: '50 to 250 ms late each way',
    rounds: 5,
    line: { up: { latencyMs: [50, 250] }, down: { latencyMs: [50, 250] } },
  },
  {
    name: 'bandwidth',
    what: '8 Mbit/s for each connection',
    rounds: 5,
    line: { up: { bytesPerSecond: 1_000_000 }, down: { bytesPerSecond: 1_000_000 } },
  },
  {
    name: 'drip',
    what: 'pieces of 1 to 4000 bytes, a millisecond apart',
    rounds: 5,
    line: { up: { dripBytes: [1, 4000] }, down: { dripBytes: [1, 4000] } },
  },
  {
    name: 'reset',
    what: 'every connection is reset after half a second to three',
    rounds: 5,
    line: { resetAfterMs: [500, 3000] },
  },
  {
    name: 'cut-up',
    what: 'every connection ends after 1 to 2,500,000 bytes to the coordinator',
    rounds: 5,
    line: { up: { cutAfterBytes: cutBytes } },
  },
  {
    name: 'cut-down',
    what: 'every connection ends after 1 to 2,500,000 bytes to the site',
    rounds: 5,
    line: { down: { cutAfterBytes: cutBytes } },
  },
  {
    name: 'half-open',
    what: 'amid a transfer every connection swallows all, and nobody is told',
    rounds: 3,
    strike: async ({ proxy, rng, amidTransfer }, strike) => {
      const ranges = between(rng, [1, rangesOfRoundMax]);
      if (await amidTransfer(strike % 2 === 0 ? 'up' : 'down', ranges)) proxy.halfOpenAll();
    },
  },
  {
    name: 'black-hole',
    what: 'amid a transfer nothing passes for 20 s, then for 60 s, then all of it arrives',
    rounds: 2,
    strike: async (context, strike) => {
      const ranges = between(context.rng, [1, rangesOfRoundMax]);
      if (await context.amidTransfer('up', ranges))
        await blackHole(context, strike % 2 === 0 ? shortHoleMs : longHoleMs);
    },
  },
  {
    name: 'restart',
    what: 'amid a transfer the coordinator is killed, or ended, and started again',
    rounds: 5,
    strike: async ({ rng, amidTransfer, restart }, strike) => {
      const ranges = between(rng, [1, rangesOfRoundMax]);
      if (await amidTransfer(strike % 3 === 2 ? 'down' : 'up', ranges))
        await restart(strike % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
    },
  },
  {
    name: 'all',
    what: 'all of these at times that the seed draws',
    rounds: 10,
    meanwhile: everything,
  },
];
