/** From timed turns to the benchmark's figures. */
import { median } from '../round/median.ts';
import { stepFlops, tokensOf } from './flops.ts';
import type { Shape, Turn } from './messages.ts';

/** One pair: the sides computed one after the other while the others were idle. */
export interface Pair {
  readonly ours: Turn;
  /** One step is one product of the block: D to D, D to F, F to D, in turn. */
  readonly products: Turn;
  /** PyTorch's, by mode; empty without a peer. */
  readonly peers: ReadonlyMap<string, Turn>;
}

/** Operations a second of the fastest of the block's products in a turn. */
export function productRate({ wallSeconds }: Turn, shape: Shape, batch: number): number {
  const { dimension, mlpDimension } = shape;
  const rows = batch * tokensOf(shape);
  const sizes = [dimension, mlpDimension, mlpDimension]; // times D
  const rates = wallSeconds.map(
    (seconds, at) => (2 * rows * dimension * (sizes[at % sizes.length] ?? 0)) / seconds,
  );
  return Math.max(...rates);
}

/** What our side's turns say. */
export interface OurFigures {
  readonly msPerImage: number;
  readonly processorMsPerImage: number;
  readonly peakMegabytes: number;
  /** Rate of the products that a step must do, all of its time counted. */
  readonly gigaflops: number;
  /** Best rate of a product alone. */
  readonly productGigaflops: number;
  /** The quotient of the two, the median over the pairs. */
  readonly gemmShare: number;
}

const milliseconds = (seconds: readonly number[], batch: number): number =>
  (1000 * median(seconds)) / batch;

/** Sum up our side's turns. */
export function ourFigures(pairs: readonly Pair[], shape: Shape, batch: number): OurFigures {
  const flops = stepFlops(shape) * batch;
  const rates = pairs.map(({ ours }) => flops / median(ours.wallSeconds));
  const best = pairs.map(({ products }) => productRate(products, shape, batch));
  return {
    msPerImage: milliseconds(
      pairs.map(({ ours }) => median(ours.wallSeconds)),
      batch,
    ),
    processorMsPerImage: milliseconds(
      pairs.map(({ ours }) => median(ours.processorSeconds)),
      batch,
    ),
    peakMegabytes: Math.max(...pairs.map(({ ours }) => ours.peakBytes)) / 1e6,
    gigaflops: median(rates) / 1e9,
    productGigaflops: median(best) / 1e9,
    gemmShare: median(rates.map((rate, at) => rate / (best[at] ?? Number.NaN))),
  };
}

/** What a peer's turns say beside ours. */
export interface PeerFigures {
  readonly mode: string;
  readonly msPerImage: number;
  readonly processorMsPerImage: number;
  readonly peakMegabytes: number;
  /** The peer's time over ours, the median over the pairs. */
  readonly ratio: number;
  /** The same of processor time, which other work on the machine moves less. */
  readonly processorRatio: number;
  /** The peer's peak memory over ours. */
  readonly memoryRatio: number;
}

/** Sum up a peer's turns. */
export function peerFigures(pairs: readonly Pair[], mode: string, batch: number): PeerFigures {
  const both = pairs.flatMap(({ ours, peers }) => {
    const peer = peers.get(mode);
    return peer === undefined ? [] : [{ ours, peer }];
  });
  const quotients = (key: 'wallSeconds' | 'processorSeconds'): number[] =>
    both.map(({ ours, peer }) => median(peer[key]) / median(ours[key]));
  const peak = (turns: readonly Turn[]): number => Math.max(...turns.map((turn) => turn.peakBytes));
  const peerPeak = peak(both.map(({ peer }) => peer));
  return {
    mode,
    msPerImage: milliseconds(
      both.map(({ peer }) => median(peer.wallSeconds)),
      batch,
    ),
    processorMsPerImage: milliseconds(
      both.map(({ peer }) => median(peer.processorSeconds)),
      batch,
    ),
    peakMegabytes: peerPeak / 1e6,
    ratio: median(quotients('wallSeconds')),
    processorRatio: median(quotients('processorSeconds')),
    memoryRatio: peerPeak / peak(both.map(({ ours }) => ours)),
  };
}

/** The peer at its best: the smallest ratio, ours over its fastest way. */
export function fastestPeer(peers: readonly PeerFigures[]): PeerFigures | undefined {
  return [...peers].sort((a, b) => a.ratio - b.ratio)[0];
}
