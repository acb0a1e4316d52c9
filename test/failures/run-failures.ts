/** Every call of one round fails once, in every way that fits it. */
import { isPassing } from '../../apps/coordinator/src/common/store-errors.ts';
import { failures, type CountedCall, type Failure } from './failing-calls.ts';
import { SmallFederation } from './small-federation.ts';
import { hold, Violation, type Rule } from './violations.ts';

/** Rounds of one federation: the next one starts afresh, so that no log grows long. */
const roundsPerFederation = 40;

/** What is run. */
export interface FailureOptions {
  /** Every so many calls one fails; 1 is every call. */
  readonly every: number;
  /** Every so many failures the coordinator is started again right after one; 0 is never. */
  readonly restartEvery: number;
  /** `all`: every way that fits a call; `rotating`: one of them a call. */
  readonly ways: 'all' | 'rotating';
  /** `round`: a call from a task's creation to the opening of its second round; `start`: one of a stop and a start amid a round. */
  readonly scenario: 'round' | 'start';
  /** Calls alone whose name has this in it; null for all. */
  readonly only?: string | null;
  /** Which of the failures that are planned so: from one on, so many. */
  readonly part?: { readonly from: number; readonly count: number };
  readonly onProgress?: (done: number, total: number) => void;
  readonly onViolation?: (violation: FoundViolation) => void;
}

/** A rule that was broken, and by what. */
export interface FoundViolation {
  readonly rule: Rule | null;
  readonly call: string;
  readonly failure: Failure;
  readonly what: string;
}

/** What came of it. */
export interface FailureReport {
  /** Calls of the scenario where nothing fails. */
  readonly calls: number;
  /** Failures that are planned in all; this may be the report of a part of them. */
  readonly planned: number;
  /** Calls that failed, by the way in which they did. */
  readonly failed: Readonly<Partial<Record<Failure, number>>>;
  readonly rounds: number;
  readonly restarts: number;
  /** Attempts that were abandoned, all with their reason. */
  readonly abandoned: number;
  readonly violations: readonly FoundViolation[];
}

interface Planned {
  readonly call: CountedCall;
  readonly failure: Failure;
}

/** Fail call after call. */
export class FailureRun {
  readonly #options: FailureOptions;
  readonly #failed = new Map<Failure, number>();
  readonly #violations: FoundViolation[] = [];
  #federation: SmallFederation | null = null;
  #rounds = 0;
  #restarts = 0;
  #failedSinceRestart = 0;
  #abandoned = 0;

  constructor(options: FailureOptions) {
    this.#options = options;
  }

  async run(): Promise<FailureReport> {
    try {
      const calls = await this.#countCalls();
      const planned = this.#plan(calls);
      const { from, count } = this.#options.part ?? { from: 0, count: planned.length };
      for (const [at, plan] of planned.slice(from, from + count).entries()) {
        this.#options.onProgress?.(from + at, planned.length);
        await this.#fail(plan);
      }
      return {
        calls: calls.length,
        planned: planned.length,
        failed: Object.fromEntries(this.#failed),
        rounds: this.#rounds,
        restarts: this.#restarts,
        abandoned: this.#abandoned,
        violations: this.#violations,
      };
    } finally {
      await this.#federation?.stop();
    }
  }

  /** The calls of a round in which none fails; the first one warms up. */
  async #countCalls(): Promise<readonly CountedCall[]> {
    await this.#round((federation) => federation.calls.arm(null));
    let calls: readonly CountedCall[] = [];
    const count = (federation: SmallFederation): void => {
      void federation.calls.arm(null);
      calls = federation.calls.calls;
    };
    if (this.#options.scenario === 'round') await this.#round(count);
    else {
      await this.#round(undefined, async (federation) => {
        count(federation);
        await federation.restart();
        federation.calls.disarm();
      });
    }
    return calls;
  }

  #plan(calls: readonly CountedCall[]): Planned[] {
    const { every, ways, only = null } = this.#options;
    return calls
      .filter(({ name }) => only === null || name.includes(only))
      .filter((_, at) => at % every === 0)
      .flatMap((call, at) => {
        const shown = ways === 'all' ? call.failures : [call.failures[at % call.failures.length]];
        return failures
          .filter((each) => shown.includes(each))
          .map((failure) => ({ call, failure }));
      });
  }

  #fail(planned: Planned): Promise<void> {
    return this.#options.scenario === 'round' ? this.#failRound(planned) : this.#failStart(planned);
  }

  /** A call of a stop or a start fails: the start fails by name, or not at all, and the next one goes on with the round. */
  async #failStart({ call, failure }: Planned): Promise<void> {
    const hits: CountedCall[] = [];
    try {
      await this.#round(undefined, async (federation) => {
        void federation.calls.arm({ call, failure }).then((fired) => hits.push(fired));
        await this.#restartTwice(federation);
        federation.calls.disarm();
      });
    } catch (error) {
      await this.#note(error, call, failure);
      return;
    }
    if (hits.length > 0) this.#failed.set(failure, (this.#failed.get(failure) ?? 0) + 1);
  }

  async #restartTwice(federation: SmallFederation): Promise<void> {
    this.#restarts += 1;
    try {
      await federation.restart();
      return;
    } catch (error) {
      hold('start', isPassing(error), `it failed with ${String(error)}`);
    }
    try {
      await federation.restart();
    } catch (error) {
      throw new Violation('start', `the next one failed with ${String(error)}`);
    }
  }

  async #failRound({ call, failure }: Planned): Promise<void> {
    const hits: CountedCall[] = [];
    let restarting: Promise<void> = Promise.resolve();
    try {
      await this.#round((federation) => {
        void federation.calls.arm({ call, failure }).then((fired) => {
          hits.push(fired);
          if (!this.#isRestartDue()) return;
          this.#restarts += 1;
          restarting = federation.restart();
          restarting.catch((error: unknown) =>
            federation.end(new Violation('start', String(error))),
          );
        });
      });
      await restarting;
    } catch (error) {
      await this.#note(error, hits[0] ?? call, failure);
      return;
    }
    if (hits.length > 0) this.#failed.set(failure, (this.#failed.get(failure) ?? 0) + 1);
  }

  /** What a look of the background does is not in every round, so that failures are counted and not those that were planned. */
  #isRestartDue(): boolean {
    const { restartEvery } = this.#options;
    this.#failedSinceRestart += 1;
    if (restartEvery === 0 || this.#failedSinceRestart < restartEvery) return false;
    this.#failedSinceRestart = 0;
    return true;
  }

  async #note(error: unknown, call: CountedCall, failure: Failure): Promise<void> {
    const isRule = error instanceof Violation;
    const what = error instanceof Error && !isRule ? String(error.stack) : String(error);
    const name = `${call.kind}, number ${call.occurrence} of: ${call.name}`.slice(0, 300);
    const violation = { rule: isRule ? error.rule : null, call: name, failure, what };
    this.#violations.push(violation);
    this.#options.onViolation?.(violation);
    // What a broken rule leaves behind must not break the next round.
    const federation = this.#federation;
    this.#federation = null;
    await federation?.stop().catch(() => undefined);
  }

  async #round(
    arm?: (federation: SmallFederation) => unknown,
    midway?: (federation: SmallFederation) => Promise<void>,
  ): Promise<void> {
    if (this.#federation !== null && this.#rounds % roundsPerFederation === 0) {
      await this.#federation.stop();
      this.#federation = null;
    }
    const federation = (this.#federation ??= await SmallFederation.start());
    this.#rounds += 1;
    void arm?.(federation);
    const { abandoned } = await federation.round(
      `round-${this.#rounds}`,
      midway === undefined ? undefined : () => midway(federation),
    );
    this.#abandoned += abandoned;
  }
}
