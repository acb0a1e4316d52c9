/**
 * Attempts at rounds and their events as they are stored. Those that have not settled are held in memory as well, since
 * nearly every message of a site asks for one.
 */
import { Injectable } from '@nestjs/common';
import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  inArray,
  isNotNull,
  lte,
  notInArray,
  sql,
} from 'drizzle-orm';
import { z } from 'zod';
import type { RoundFigures } from '#core/aggregation';
import type { SignedEnvelope } from '#core/crypto';
import { StateError } from '#core/errors';
import {
  digestSchema,
  isRoundSettled,
  roundEventSchema,
  type RoundEvent,
  type RoundState,
} from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { HeldRows } from '../common/held-rows.ts';
import type { Page } from '../common/pages.contract.ts';
import type { Queries } from '../config/database.ts';
import { roundEvents, rounds, tasks } from '../config/schema.ts';
import {
  listedColumns,
  listedColumnsSchema,
  listedSchema,
  pageOfRounds,
  withBaseVersion,
  type ListedRound,
} from './round-list.ts';
import type { RoundsQuery } from './rounds.contract.ts';

const roundColumnsSchema = listedColumnsSchema.extend({
  openPayload: z.instanceof(Uint8Array),
  openSignature: z.instanceof(Uint8Array),
  openDigest: digestSchema,
  roundPublicKey: digestSchema,
  wrappedSecretKey: z.instanceof(Uint8Array).nullable(),
  membershipPayload: z.instanceof(Uint8Array).nullable(),
  membershipSignature: z.instanceof(Uint8Array).nullable(),
  /** Events stored so far: the next one has this number and one, so that two writers cannot both store it. */
  eventCount: z.number().int(),
});
const roundRowSchema = roundColumnsSchema.transform(withBaseVersion);
/** One attempt as it is stored. */
export type RoundRecord = z.infer<typeof roundRowSchema>;

/** One event as it is stored. */
export interface StoredRoundEvent {
  readonly sequence: number;
  readonly atMs: number;
  readonly event: RoundEvent;
}

/** What a round that settles is stored with. */
export interface SettledParts {
  readonly atMs: number;
  readonly membership: SignedEnvelope;
}

const settledPhases = ['published', 'abandoned'];

const columns = {
  ...getTableColumns(rounds),
  eventCount:
    sql`(select count(*) from ${roundEvents} where ${roundEvents.roundId} = ${rounds.id})`.mapWith(
      Number,
    ),
};

/** Attempts at rounds. */
@Injectable()
export class RoundStore {
  readonly #environment: Environment;
  /** The attempts that have not settled, by id. */
  readonly #unsettled = new HeldRows<number, RoundRecord>(() => this.#readUnsettled());

  /** Rounds that lack a planned site, by task, as of a version. */
  readonly #incomplete = new Map<
    string,
    { readonly latestVersion: number; readonly rounds: readonly number[] }
  >();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Get an attempt by its id; within a transaction with its queries. */
  async get(id: number, queries?: Queries): Promise<RoundRecord> {
    const unsettled = queries === undefined ? await this.#unsettled.all() : this.#unsettled.held();
    const held = unsettled?.get(id);
    if (held !== undefined) return held;
    const rows = await (queries ?? this.#environment.queries)
      .select(columns)
      .from(rounds)
      .where(eq(rounds.id, id));
    return roundRowSchema.parse(rows[0]);
  }

  async find(task: string, round: number, attempt: number): Promise<RoundRecord | null> {
    for (const held of (await this.#unsettled.all()).values()) {
      if (held.task === task && held.round === round && held.attempt === attempt) return held;
    }
    const rows = await this.#environment.queries
      .select(columns)
      .from(rounds)
      .where(and(eq(rounds.task, task), eq(rounds.round, round), eq(rounds.attempt, attempt)));
    return rows[0] === undefined ? null : roundRowSchema.parse(rows[0]);
  }

  /** Find the last attempt at the last round, or at the round given. */
  async latest(
    task: string,
    options: { readonly round?: number; readonly queries?: Queries } = {},
  ): Promise<RoundRecord | null> {
    const { round, queries } = options;
    // No other attempt of a task opens before the last one has settled, so one that has not is the last one.
    const unsettled = queries === undefined ? await this.#unsettled.all() : this.#unsettled.held();
    for (const held of unsettled?.values() ?? []) {
      if (held.task === task && (round === undefined || held.round === round)) return held;
    }
    const rows = await (queries ?? this.#environment.queries)
      .select(columns)
      .from(rounds)
      .where(and(eq(rounds.task, task), round === undefined ? undefined : eq(rounds.round, round)))
      .orderBy(desc(rounds.round), desc(rounds.attempt))
      .limit(1);
    return rows[0] === undefined ? null : roundRowSchema.parse(rows[0]);
  }

  /** The last attempts at the last rounds of some tasks, by task, in one statement for those that are not held. */
  async latestOf(names: readonly string[]): Promise<ReadonlyMap<string, ListedRound>> {
    const unsettled = [...(await this.#unsettled.all()).values()].filter(({ task }) =>
      names.includes(task),
    );
    const { queries } = this.#environment;
    // One look into the index for each task, however many attempts there are.
    const latest = queries
      .select(listedColumns)
      .from(rounds)
      .where(eq(rounds.task, tasks.task))
      .orderBy(desc(rounds.round), desc(rounds.attempt))
      .limit(1)
      .as('latest');
    const rows = await queries
      .select()
      .from(tasks)
      .innerJoinLateral(latest, sql`true`)
      .where(inArray(tasks.task, [...names]));
    const stored = rows.map((row) => listedSchema.parse(row.latest));
    return new Map([...stored, ...unsettled].map((each) => [each.task, each]));
  }

  /** A page of the attempts of a task, newest first; of one round alone where it is named. */
  page(task: string, query: RoundsQuery): Promise<Page<ListedRound>> {
    return pageOfRounds(this.#environment.queries, task, query);
  }

  /** The last attempt at a round that was abandoned. */
  async lastAbandoned(task: string, round: number): Promise<RoundRecord | null> {
    const rows = await this.#environment.queries
      .select(columns)
      .from(rounds)
      .where(and(eq(rounds.task, task), eq(rounds.round, round), eq(rounds.phase, 'abandoned')))
      .orderBy(desc(rounds.attempt))
      .limit(1);
    return rows[0] === undefined ? null : roundRowSchema.parse(rows[0]);
  }

  /**
   * List the rounds of a task that were published without all of their planned sites.
   *
   * @param latestVersion - the newest version: what is known of it is not read again, since a settled round stays as it is
   */
  async incomplete(task: string, latestVersion: number): Promise<readonly number[]> {
    const known = this.#incomplete.get(task);
    if (known?.latestVersion === latestVersion) return known.rounds;
    const rows = await this.#environment.queries
      .select({ round: rounds.round })
      .from(rounds)
      .where(
        and(
          eq(rounds.task, task),
          eq(rounds.phase, 'published'),
          lte(rounds.round, latestVersion),
          sql`exists (select 1 from jsonb_array_elements(${rounds.state} -> 'members') as member where member ->> 'status' <> 'reported')`,
        ),
      )
      .orderBy(asc(rounds.round));
    const incomplete = { latestVersion, rounds: rows.map(({ round }) => round) };
    this.#incomplete.set(task, incomplete);
    return incomplete.rounds;
  }

  /** Attempts that have not settled, of all tasks, in the order in which they were opened. */
  async unsettled(): Promise<RoundRecord[]> {
    return [...(await this.#unsettled.all()).values()];
  }

  async #readUnsettled(): Promise<Map<number, RoundRecord>> {
    const rows = await this.#environment.queries
      .select(columns)
      .from(rounds)
      .where(notInArray(rounds.phase, settledPhases))
      .orderBy(asc(rounds.id));
    return new Map(rows.map((row) => [row.id, roundRowSchema.parse(row)]));
  }

  /** Attempts whose retention has ended and whose secret key is still there. */
  async retained(settledBeforeMs: number): Promise<RoundRecord[]> {
    const rows = await this.#environment.queries
      .select(columns)
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

  /** Store a new attempt within a transaction; its first events follow in the same one. */
  async insert(
    transaction: Queries,
    attempt: {
      readonly task: string;
      readonly round: number;
      readonly attempt: number;
      readonly baseVersion: number;
      readonly state: RoundState;
      readonly open: SignedEnvelope;
      readonly openDigest: string;
      readonly roundPublicKey: string;
      readonly wrappedSecretKey: Uint8Array;
      readonly openedAtMs: number;
      readonly deadlineAtMs: number;
    },
  ): Promise<RoundRecord> {
    const { open, ...rest } = attempt;
    const rows = await transaction
      .insert(rounds)
      .values({
        ...rest,
        phase: attempt.state.phase,
        openPayload: open.payload,
        openSignature: open.signature,
      })
      .returning();
    return roundRowSchema.parse({ ...rows[0], eventCount: 0 });
  }

  /**
   * Store events and the state they lead to within a transaction.
   *
   * @returns the attempt as it is once the transaction is committed
   */
  async advance(
    transaction: Queries,
    before: RoundRecord,
    events: readonly RoundEvent[],
    state: RoundState,
    settled?: SettledParts,
  ): Promise<RoundRecord> {
    const { id, eventCount } = before;
    const settledParts = settled === undefined ? {} : columnsOf(settled);
    const next: RoundRecord = {
      ...before,
      ...settledParts,
      state,
      eventCount: eventCount + events.length,
    };
    // Before the first statement: one that fails may tell that what is held is not what is stored.
    this.#environment.transactions.whenEnded(transaction, (end) => {
      if (end === 'committed') this.#hold(next);
      else this.#unsettled.forget();
    });
    const atMs = this.#environment.clock.wallTimeMs();
    await transaction
      .insert(roundEvents)
      .values(
        events.map((event, at) => ({ roundId: id, sequence: eventCount + at + 1, event, atMs })),
      );
    await transaction
      .update(rounds)
      .set({ state, phase: state.phase, ...settledParts })
      .where(eq(rounds.id, id));
    return next;
  }

  #hold(next: RoundRecord): void {
    if (isRoundSettled(next.state)) {
      this.#unsettled.delete(next.id);
      return;
    }
    // A deadline may have moved while the transaction ran.
    const deadlineAtMs = this.#unsettled.held()?.get(next.id)?.deadlineAtMs ?? next.deadlineAtMs;
    this.#unsettled.set(next.id, { ...next, deadlineAtMs });
  }

  /** Store what the aggregate of an attempt told of its sites, within a transaction. */
  async keepFigures(transaction: Queries, id: number, figures: RoundFigures | null): Promise<void> {
    await transaction.update(rounds).set({ figures }).where(eq(rounds.id, id));
  }

  /** Move a deadline within a transaction: down-time is added back. */
  async setDeadline(transaction: Queries, id: number, deadlineAtMs: number): Promise<void> {
    this.#environment.transactions.whenEnded(transaction, () => {
      this.#unsettled.forget();
    });
    await transaction.update(rounds).set({ deadlineAtMs }).where(eq(rounds.id, id));
  }

  /** Erase a round's secret key. */
  async eraseSecretKey(id: number): Promise<void> {
    await this.#environment.queries
      .update(rounds)
      .set({ wrappedSecretKey: null })
      .where(eq(rounds.id, id));
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

function columnsOf({ atMs, membership }: SettledParts) {
  return {
    settledAtMs: atMs,
    membershipPayload: membership.payload,
    membershipSignature: membership.signature,
  };
}

/** The refusal for a round that is not known. */
export function roundNotFound(task: string, round: number): StateError {
  return new StateError(
    'ROUND_NOT_FOUND',
    `rounds: expected a round of ${task} that was opened, ${round} was not; ask with round:get`,
    { task, round },
  );
}
