/** What a deliberate mistake is. */
import { reduceRound, type RoundState } from '#core/protocol';
import type { Invariant } from './observer.ts';
import type { Ports } from './ports.ts';

/** A mistake, and the promise that it is expected to break first or among others. */
export interface PlantedFault {
  readonly name: string;
  readonly what: string;
  readonly ports: Partial<Ports>;
  readonly breaks: Invariant;
  /** Few seeds find it: the search runs over thousands. */
  readonly isRare?: true;
}

type Transition = ReturnType<typeof reduceRound>;

/** Change what the reducer says of some transitions. */
export function bent(
  bend: (
    before: RoundState,
    event: Parameters<typeof reduceRound>[1],
    right: Transition,
  ) => Transition,
): Partial<Ports> {
  return { reduce: (state, event) => bend(state, event, reduceRound(state, event)) };
}
