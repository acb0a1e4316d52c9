/** Attempts at rounds and their events as they are stored. */
import { Injectable } from '@nestjs/common';
import { and, asc, count, desc, eq, inArray, isNotNull, lte, notInArray } from 'drizzle-orm';
import { z } from 'zod';
import type { SignedEnvelope } from '#core/crypto';
import { StateError } from '#core/errors';
import {
  attemptSchema,
  digestSchema,
  roundEventSchema,
  roundNumberSchema,
  roundStateSchema,
  taskIdSchema,
  type RoundEvent,
  type RoundState,
} from '#core/protocol';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { roundEvents, rounds } from '../config/schema.ts';

const roundRowSchema = z.object({
  id: z.number().int(),
  task: taskIdSchema,
  round: roundNumberSchema,
  attempt: attemptSchema,
  state: roundStateSchema,
  openPayload: z.instanceof(Uint8Array),
  openSignature: z.instanceof(Uint8Array),
  openDigest: digestSchema,
  roundPublicKey: digestSchema,
  wrappedSecretKey: z.instanceof(Uint8Array).nullable(),
  openedAtMs: z.number(),
  deadlineAtMs: z.number(),
  settledAtMs: z.number().nullable(),
  membershipPayload: z.instanceof(Uint8Array).nullable(),
  membershipSignature: z.instanceof(Uint8Array).nullable(),
});
/** One attempt as it is stored. */
export type RoundRecord = z.infer<typeof roundRowSchema>;

/** One event as it is stored. */
export interface StoredRoundEvent {
  readonly sequence: number;
  readonly atMs: number;
  readonly event: RoundEvent;
}

const settledPhases = ['published', 'abandoned'];

/** Attempts at rounds. */
@Injectable()
export class RoundStore {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Get an attempt by its id, locked against other writers where a transaction is given. */
  async get(id: number, transaction?: Queries): Promise<RoundRecord> {
    const query = (transaction ?? this.#environment.queries)
      .select()
      .from(rounds)
      .where(eq(rounds.id, id));
    const rows = await (transaction === undefined ? query : query.for('update'));
    return roundRowSchema.parse(rows[0]);
  }

  async find(task: string, round: number, attempt: number): Promise<RoundRecord | null> {
    const rows = await this.#environment.queries
      .select()
      .from(rounds)
      .where(and(eq(rounds.task, task), eq(rounds.round, round), eq(rounds.attempt, attempt)));
    return rows[0] === undefined ? null : roundRowSchema.parse(rows[0]);
  }

  /** Find the last attempt at the last round, or at the round given. */
  async latest(
    task: string,
    options: { readonly round?: number; readonly queries?: Queries } = {},
  ): Promise<RoundRecord | null> {
    const { round, queries = this.#environment.queries } = options;
    const rows = await queries
      .select()
      .from(rounds)
      .where(and(eq(rounds.task, task), round === undefined ? undefined : eq(rounds.round, round)))
      .orderBy(desc(rounds.round), desc(rounds.attempt))
      .limit(1);
    return rows[0] === undefined ? null : roundRowSchema.parse(rows[0]);
  }

  /** All attempts of a task, newest first. */
  async list(task: string): Promise<RoundRecord[]> {
    const rows = await this.#environment.queries
      .select()
      .from(rounds)
      .where(eq(rounds.task, task))
      .orderBy(desc(rounds.round), desc(rounds.attempt))
      .limit(1000);
    return rows.map((row) => roundRowSchema.parse(row));
  }

  /** Attempts that have not settled, of all tasks. */
  async unsettled(): Promise<RoundRecord[]> {
    const rows = await this.#environment.queries
      .select()
      .from(rounds)
      .where(notInArray(rounds.phase, settledPhases))
      .orderBy(asc(rounds.id));
    return rows.map((row) => roundRowSchema.parse(row));
  }

  /** Attempts whose retention has ended and whose secret key is still there. */
  async retained(settledBeforeMs: number): Promise<RoundRecord[]> {
    const rows = await this.#environment.queries
      .select()
      .from(rounds)
      .where(
        and(
          inArray(rounds.phase, settledPhases),
          isNotNull(rounds.wrappedSecretKey),
          lte(rounds.settledAtMs, settledBeforeMs),
        ),
      );
    return rows.map((row) => roundRowSchema.parse(row));
  }

  /** Store a new attempt within a transaction and return its id. */
  async insert(
    transaction: Queries,
    attempt: {
      readonly task: string;
      readonly round: number;
      readonly attempt: number;
      readonly state: RoundState;
      readonly open: SignedEnvelope;
      readonly openDigest: string;
      readonly roundPublicKey: string;
      readonly wrappedSecretKey: Uint8Array;
      readonly openedAtMs: number;
      readonly deadlineAtMs: number;
    },
  ): Promise<number> {
    const { open, ...rest } = attempt;
    const rows = await transaction
      .insert(rounds)
      .values({
        ...rest,
        phase: attempt.state.phase,
        openPayload: open.payload,
        openSignature: open.signature,
      })
      .returning({ id: rounds.id });
    return z.number().parse(rows[0]?.id);
  }

  /** Store a new state within a transaction. */
  async update(
    transaction: Queries,
    id: number,
    state: RoundState,
    settled?: { readonly atMs: number; readonly membership: SignedEnvelope },
  ): Promise<void> {
    await transaction
      .update(rounds)
      .set({
        state,
        phase: state.phase,
        ...(settled === undefined
          ? {}
          : {
              settledAtMs: settled.atMs,
              membershipPayload: settled.membership.payload,
              membershipSignature: settled.membership.signature,
            }),
      })
      .where(eq(rounds.id, id));
  }

  /** Move a deadline: down-time is added back. */
  async setDeadline(id: number, deadlineAtMs: number): Promise<void> {
    await this.#environment.queries.update(rounds).set({ deadlineAtMs }).where(eq(rounds.id, id));
  }

  /** Erase a round's secret key. */
  async eraseSecretKey(id: number): Promise<void> {
    await this.#environment.queries
      .update(rounds)
      .set({ wrappedSecretKey: null })
      .where(eq(rounds.id, id));
  }

  /** Append an event within a transaction. */
  async appendEvent(transaction: Queries, roundId: number, event: RoundEvent): Promise<void> {
    const rows = await transaction
      .select({ stored: count() })
      .from(roundEvents)
      .where(eq(roundEvents.roundId, roundId));
    const sequence = (rows[0]?.stored ?? 0) + 1;
    const atMs = this.#environment.clock.wallTimeMs();
    await transaction.insert(roundEvents).values({ roundId, sequence, event, atMs });
  }

  /** All events of an attempt in order. */
  async events(roundId: number): Promise<StoredRoundEvent[]> {
    const rows = await this.#environment.queries
      .select()
      .from(roundEvents)
      .where(eq(roundEvents.roundId, roundId))
      .orderBy(asc(roundEvents.sequence));
    return rows.map(({ sequence, atMs, event }) => ({
      sequence,
      atMs,
      event: roundEventSchema.parse(event),
    }));
  }
}

/** The refusal for a round that is not known. */
export function roundNotFound(task: string, round: number): StateError {
  return new StateError(
    'ROUND_NOT_FOUND',
    `rounds: expected a round of ${task} that was opened, ${round} was not; ask with round:get`,
    { task, round },
  );
}
