/** A site that does not give up, as an agent: what is refused for the time being, and what no answer came to, it sends again. */
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { emptyScoreReport } from '#core/evaluation';
import {
  decodePayload,
  limits,
  roundOpenSchema,
  type Assignment,
  type RoundOpen,
} from '#core/protocol';
import type { FakeSite, SealedForRound } from '../../apps/coordinator/src/testing/fake-site.ts';
import { layoutOf } from '../../apps/coordinator/src/testing/fake-site.ts';
import { hold, Violation } from './violations.ts';

const againMs = 10;
const connectTimeoutMs = 5000;
const refusalSchema = z.object({ code: z.string(), message: z.string(), retryable: z.boolean() });
/** Refusals that say that the attempt is over. */
const overCodes: ReadonlySet<string> = new Set(['ROUND_CLOSED', 'ROUND_STALE', 'ROUND_NOT_FOUND']);

async function rejectAfter(delayMs: number): Promise<never> {
  await wait(delayMs, undefined, { ref: false });
  throw new Error('no answer');
}

/** What a coordinator acknowledged of one attempt. */
interface Attempt {
  readonly open: RoundOpen;
  readonly payload: Uint8Array;
  readonly sealed: SealedForRound;
  readonly ranges: Set<number>;
  isAccepted: boolean;
  isBegun: boolean;
  isCommitted: boolean;
}

/** A site that does not give up. */
export class PatientSite {
  readonly fake: FakeSite;
  readonly samples: number;
  readonly value: number;
  #attempts = new Map<string, Attempt>();
  /** Tasks that are over: their results are not asked for again. */
  readonly #over: string[] = [];

  constructor(fake: FakeSite, options: { readonly samples: number; readonly value: number }) {
    this.fake = fake;
    this.samples = options.samples;
    this.value = options.value;
  }

  /** Whether the commit of its update was acknowledged, in an attempt of the task it took part in last. */
  hasCommitted(attempt: number): boolean {
    return [...this.#attempts.values()].some(
      ({ open, isCommitted }) => isCommitted && open.attempt === attempt,
    );
  }

  /** Take part in the first round of a task until it is over. */
  async takePart(task: string, signal: AbortSignal): Promise<void> {
    this.#attempts = new Map();
    while (!signal.aborted) {
      try {
        await this.#once(task);
      } catch (error) {
        this.#judge(error);
      }
      await wait(againMs);
    }
    this.#over.push(task);
  }

  /** One look at what there is to do, and that done. */
  async #once(task: string): Promise<void> {
    if (this.fake.socket?.connected !== true) {
      this.fake.close();
      // A socket that is closed while it connects never says so.
      await Promise.race([this.fake.connect(), rejectAfter(connectTimeoutMs)]);
      await this.fake.hello();
    }
    const { assignments } = await this.fake.ask('round:get', {
      known: this.#over.map((over) => ({ task: over, version: 1 })),
    });
    for (const assignment of assignments) {
      const { payload } = assignment.open;
      const open = decodePayload(roundOpenSchema, payload, 'open');
      if (open.task !== task || open.round !== 1) continue;
      await this.#work(assignment, this.#attemptOf(open, payload));
    }
  }

  #attemptOf(open: RoundOpen, payload: Uint8Array): Attempt {
    const key = `${open.round}/${open.attempt}`;
    const known = this.#attempts.get(key);
    if (known !== undefined) return known;
    const delta = new Float32Array(layoutOf(open).size).fill(this.value);
    const sealed = this.fake.seal(open, payload, { delta }, { samples: this.samples });
    const rest = { isAccepted: false, isBegun: false, isCommitted: false };
    const attempt = { open, payload, sealed, ranges: new Set<number>(), ...rest };
    this.#attempts.set(key, attempt);
    return attempt;
  }

  async #work(assignment: Assignment, attempt: Attempt): Promise<void> {
    const { status } = assignment;
    const { open, payload, sealed } = attempt;
    hold('lost', !attempt.isAccepted || status !== 'invited', `its acceptance, it is ${status}`);
    hold('lost', !attempt.isCommitted || status === 'reported', `its update, it is ${status}`);
    if (status === 'invited') {
      await this.fake.fetchAdapter(assignment.adapter);
      const decision = this.fake.decision(open, payload, { samples: this.samples });
      await this.fake.ask('round:accept', { decision });
      attempt.isAccepted = true;
      await this.#evaluate(open);
      const { task, round } = open;
      const beat = { phase: 'training', task, round, progress: 0.5, load: 0 } as const;
      await this.fake.ask('heartbeat', beat);
    }
    if (status === 'reported') return;
    await this.#upload(attempt);
    attempt.isCommitted =
      (await this.fake.ask('upload:commit', { uploadId: sealed.uploadId })).status === 'reported';
  }

  async #upload(attempt: Attempt): Promise<void> {
    const { sealed, ranges } = attempt;
    const { received, isCommitted } = await this.fake.begin(sealed);
    const isThere = (index: number): boolean =>
      received.some(([from, to]) => from <= index && index < to);
    for (const index of ranges) hold('lost', isThere(index), `range ${index} of its upload`);
    hold('lost', !attempt.isCommitted || isCommitted, 'its update, the upload goes on');
    attempt.isBegun = true;
    const count = Math.ceil(sealed.ciphertext.length / limits.rangeBytes);
    for (let index = 0; index < count; index++) {
      if (isThere(index)) continue;
      await this.fake.sendRanges(sealed, [index]);
      ranges.add(index);
    }
  }

  async #evaluate(open: RoundOpen): Promise<void> {
    const { protocol, federation, task, globalAdapterDigest } = open;
    const evaluation = this.fake.evaluation({
      ...{ type: 'evaluation', protocol, federation, task, site: this.fake.site },
      ...{ subject: 'global', version: 0, round: null, adapterDigest: globalAdapterDigest },
      ...{ heldOutImages: 4, report: emptyScoreReport(2) },
    });
    await this.fake.ask('evaluation', { evaluation });
  }

  /** Whether a failure is one that a site lives with; any other breaks a rule. */
  #judge(error: unknown): void {
    if (error instanceof Violation) throw error;
    const data = z.object({ data: refusalSchema }).safeParse(error).data?.data;
    const refusal = data ?? refusalSchema.safeParse(error).data;
    if (refusal === undefined) return; // the link, or a time-out
    const { code, message, retryable } = refusal;
    if (retryable || overCodes.has(code)) return;
    throw new Violation('refusal', `site ${this.fake.site} was told ${code}: ${message}`);
  }
}
