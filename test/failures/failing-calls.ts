/**
 * A port that lets one call of the database or of a file fail in one of several ways.
 *
 * A call is found again by its name and by how many of that name came before it: what looks on meanwhile, and what a timer
 * does, shifts the numbers of all calls and not those.
 */
import type { Call, CallPort } from '../../apps/coordinator/src/common/calls.ts';

/** The ways in which a call fails. `done` and `lost-after`: it took effect, and nobody heard so. */
export const failures = [
  'disk-full',
  'disk-error',
  'disk-error-done',
  'serialization',
  'database-error',
  'database-error-done',
  'refused',
  'lost-before',
  'lost-amid',
  'lost-after',
] as const;
/** A way in which a call fails. */
export type Failure = (typeof failures)[number];

/** A call that was counted. */
export interface CountedCall {
  readonly kind: Call['kind'];
  /** The statement, or what is done to a file, without what chance put into its name. */
  readonly name: string;
  /** How many of this name came before it, and one. */
  readonly occurrence: number;
  /** The ways in which it could have failed. */
  readonly failures: readonly Failure[];
}

const codes: Partial<Record<Failure, string>> = {
  'disk-full': 'ENOSPC',
  'disk-error': 'EIO',
  'disk-error-done': 'EIO',
  serialization: '40001',
  'database-error': '58030',
  'database-error-done': '58030',
  refused: 'ECONNREFUSED',
  'lost-after': 'ECONNRESET',
};

const failureOf = (failure: Failure): Error =>
  Object.assign(new Error(`planted: ${failure}`), { code: codes[failure] });

const isCalled = (name: string, ...calls: readonly string[]): boolean =>
  calls.some((each) => name.startsWith(each));

/** The ways in which a call can fail. */
export function failuresOf({ kind, name, cut }: Call): readonly Failure[] {
  switch (kind) {
    case 'connect':
      return ['refused'];
    case 'file':
      if (isCalled(name, 'close')) return ['disk-error-done'];
      if (isCalled(name, 'read', 'stat', 'list')) return ['disk-error'];
      if (isCalled(name, 'open')) return ['disk-full', 'disk-error'];
      return ['disk-full', 'disk-error', 'disk-error-done'];
    case 'statement': {
      const isReading = isCalled(name, 'select');
      if (cut !== undefined) {
        return ['serialization', 'database-error', 'lost-before', 'lost-amid', 'lost-after'];
      }
      // One process, no connection: what fails there is the disk below it.
      return isReading
        ? ['serialization', 'database-error']
        : ['serialization', 'database-error', 'database-error-done'];
    }
  }
}

/** What the port is armed with. */
interface Armed {
  readonly call: Pick<CountedCall, 'name' | 'occurrence'>;
  readonly failure: Failure;
}

const named = ({ name }: Call): string =>
  name.replace(/\.?[0-9a-f]{8}-[0-9a-f-]{27}\.tmp/, 'temporary').replace(/[0-9a-f]{64}/, 'digest');

/** A port that lets one call fail. */
export class FailingCalls implements CallPort {
  #counts: Map<string, number> | null = null;
  #armed: Armed | null = null;
  #onFired: (call: CountedCall) => void = () => undefined;
  /** The calls since {@link arm}. */
  calls: CountedCall[] = [];

  /**
   * Count from now on, and let a call fail.
   *
   * @param armed - null lets none fail
   * @returns resolves once that call has failed
   */
  arm(armed: Armed | null): Promise<CountedCall> {
    this.#counts = new Map();
    this.calls = [];
    this.#armed = armed;
    return new Promise((resolve) => {
      this.#onFired = resolve;
    });
  }

  /** Count no more, and let nothing fail. */
  disarm(): void {
    this.#counts = null;
    this.#armed = null;
  }

  async pass<T>(call: Call, run: () => Promise<T>): Promise<T> {
    if (this.#counts === null) return run();
    const name = named(call);
    const occurrence = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, occurrence);
    const counted = { kind: call.kind, name, occurrence, failures: failuresOf(call) };
    this.calls.push(counted);
    const armed = this.#armed;
    if (armed?.call.name !== name || armed.call.occurrence !== occurrence) return run();
    if (!counted.failures.includes(armed.failure)) return run();
    this.#armed = null;
    this.#onFired(counted);
    return fail(call, armed.failure, run);
  }
}

async function fail<T>(call: Call, failure: Failure, run: () => Promise<T>): Promise<T> {
  switch (failure) {
    case 'disk-error-done':
    case 'database-error-done':
      await run();
      throw failureOf(failure);
    case 'lost-before':
      call.cut?.();
      return run();
    case 'lost-amid': {
      const running = run();
      call.cut?.();
      return running;
    }
    case 'lost-after':
      await run();
      call.cut?.();
      throw failureOf(failure);
    default:
      throw failureOf(failure);
  }
}
