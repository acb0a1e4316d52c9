/** From timed turns to the benchmark's figures. */
import { median } from '../round/median.ts';
import { stepFlops } from './flops.ts';
import type { Shape, Turn } from './messages.ts';

/** One pair: the sides computed one after the other while the others were idle. */
export interface Pair {
  readonly ours: Turn;
  /** Operations a second of the fastest product, whoever ran it. */
  readonly productRate: number;
  /** PyTorch's, by mode; empty without a peer. */
  readonly peers: ReadonlyMap<string, Turn>;
}

/** What our side's turns say. */
export interface OurFigures {
  readonly msPerImage: number;
  readonly processorMsPerImage: number;
  readonly peakMegabytes: number;
  /** Rate of the products that a step must do, all of its time counted. */
  readonly gigaflops: number;
  /** Best rate of products alone in the whole run. */
  readonly productGigaflops: number;
  /** The quotient of the two. */
  readonly gemmShare: number;
  /** Why the share means nothing, where it does not: a step cannot outrun the products that it is made of. */
  readonly gemmShareFault?: string;
}

const milliseconds = (seconds: readonly number[], batch: number): number =>
  (1000 * median(seconds)) / batch;

/** Sum up our side's turns. */
export function ourFigures(pairs: readonly Pair[], shape: Shape, batch: number): OurFigures {
  const flops = stepFlops(shape) * batch;
  const rates = pairs.map(({ ours }) => flops / median(ours.wallSeconds));
  const best = Math.max(...pairs.map(({ productRate }) => productRate));
  const gemmShare = median(rates) / best;
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
    productGigaflops: best / 1e9,
    gemmShare,
    ...(gemmShare <= 1
      ? {}
      : {
          gemmShareFault: `expected at most 1, got ${gemmShare.toFixed(2)}: no product was timed at this machine's best; run it again with nothing else at work`,
        }),
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
