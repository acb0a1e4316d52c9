/**
 * The one place where a round changes: every event is stored before it takes effect, the state in the same transaction.
 *
 * Transitions of one task run one at a time. Effects start after the commit; each can be repeated without harm, and a
 * restart starts them again.
 */
import { Injectable } from '@nestjs/common';
import { eq, inArray, sql } from 'drizzle-orm';
import { aggregationMethod } from '#core/aggregation';
import { signDomains, signPayload, type SignedEnvelope } from '#core/crypto';
import { RelayedError } from '#core/errors';
import {
  encodePayload,
  isRoundSettled,
  membershipRecordSchema,
  protocolVersion,
  reduceRound,
  type RoundEffect,
  type RoundEvent,
  type RoundState,
  type SiteId,
  type TaskDefinition,
  type TaskId,
} from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { BackgroundWork } from '../common/background-work.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import type { Queries } from '../config/database.ts';
import { sites } from '../config/schema.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { abandonedRound } from '../webhooks/alert-conditions.ts';
import { AlertsService } from '../webhooks/alerts.service.ts';
import { RoundStore, type RoundRecord } from './round-store.ts';

/** What follows a transition. */
export interface TransitionHandlers {
  /** Run an effect after the commit. */
  runEffect(round: RoundRecord, effect: RoundEffect): void;
  /** Take a suspended site out of its other rounds. */
  onSuspended(site: SiteId): void;
  /** Go on with a task as a restart would: nobody knows whether its last transition was stored. */
  goOn(task: TaskId): void;
}

/** What a transition came to. */
export interface TransitionOutcome {
  readonly round: RoundRecord;
  /** False for a repeat of what is recorded. */
  readonly isChanged: boolean;
}

/** The members of a settled round as they are signed; the weight is null outside the aggregate. */
export function membershipEntries(
  state: RoundState,
  definition: TaskDefinition,
  outcome: 'published' | 'abandoned',
) {
  return state.members.map(({ site, status, reason, samples, updateDigest }) => ({
    site,
    status,
    reason,
    samples,
    weight:
      outcome === 'published' && status === 'reported' && samples !== null
        ? updateWeight(definition, samples)
        : null,
    updateDigest,
  }));
}

/** Weight of an update in the aggregate, before it is divided by the sum of all; 1 where the method counts sites alike. */
export function updateWeight({ aggregation }: TaskDefinition, samples: number): number {
  const { isWeighted } = aggregationMethod(aggregation.method);
  return isWeighted && aggregation.weights === 'samples' ? samples : 1;
}

function outcomeOf(settled: RoundState): 'published' | 'abandoned' {
  return settled.phase === 'published' ? 'published' : 'abandoned';
}

/** The one place where a round changes. */
@Injectable()
export class RoundTransitionsService {
  readonly #environment: Environment;
  readonly #store: RoundStore;
  readonly #tasks: TaskStore;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;
  readonly #audit: AuditService;
  readonly #alerts: AlertsService;
  readonly #mutex = new KeyedMutex();
  readonly #background: BackgroundWork;
  #handlers: TransitionHandlers = {
    runEffect: () => undefined,
    onSuspended: () => undefined,
    goOn: () => undefined,
  };

  constructor(
    environment: Environment,
    store: RoundStore,
    tasks: TaskStore,
    roster: RosterService,
    connections: ConnectionsService,
    audit: AuditService,
    background: BackgroundWork,
    alerts: AlertsService,
  ) {
    this.#background = background;
    this.#environment = environment;
    this.#store = store;
    this.#tasks = tasks;
    this.#roster = roster;
    this.#connections = connections;
    this.#audit = audit;
    this.#alerts = alerts;
  }

  /** Name who does what follows. */
  connect(handlers: TransitionHandlers): void {
    this.#handlers = handlers;
  }

  /** Run work on a task while no other transition of it runs. */
  exclusively<T>(task: TaskId, work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(task, work);
  }

  /**
   * Apply an event to an attempt.
   *
   * @param alongside - what else is stored in the same transaction, only where the event changes something
   * @throws RelayedError with the reducer's code where the event is refused
   */
  apply(
    round: Pick<RoundRecord, 'id' | 'task'>,
    event: RoundEvent,
    alongside?: (transaction: Queries, next: RoundRecord) => Promise<void>,
  ): Promise<TransitionOutcome> {
    return this.exclusively(round.task, () => this.applyHeld(round, event, alongside));
  }

  /** The same for who runs {@link exclusively} for the task already. */
  async applyHeld(
    round: Pick<RoundRecord, 'id' | 'task'>,
    event: RoundEvent,
    alongside?: (transaction: Queries, next: RoundRecord) => Promise<void>,
  ): Promise<TransitionOutcome> {
    const before = await this.#store.get(round.id);
    const transition = reduceRound(before.state, event);
    if (transition.kind === 'refused') {
      throw new RelayedError(transition.code, transition.message, { event: event.type });
    }
    if (transition.kind === 'unchanged') return { round: before, isChanged: false };
    const { state, effects } = transition;
    const { transactions, crashPoints } = this.#environment;
    const isVersion = event.type === 'aggregated';
    const next = await transactions.run(async (transaction) => {
      const stored = await this.storeEvents(transaction, before, [event], state);
      await alongside?.(transaction, stored.round);
      crashPoints.reach(
        isVersion ? 'coordinator.version-uncommitted' : 'coordinator.event-uncommitted',
      );
      return stored;
    });
    crashPoints.reach(isVersion ? 'coordinator.version-stored' : 'coordinator.event-stored');
    await this.finish(next.round, effects, next.suspended);
    return { round: next.round, isChanged: true };
  }

  /** Do what follows a commit: roster, sockets, effects. It is done whatever fails, and never fails for who waits. */
  async finish(
    round: RoundRecord,
    effects: readonly RoundEffect[],
    suspended: readonly SiteId[],
  ): Promise<void> {
    await this.#background.nowOrUntilDone('transition', async () => {
      // The next round must not invite who was just suspended.
      if (suspended.length > 0) await this.#roster.refresh();
      for (const site of suspended) {
        this.#connections.cut(site);
        this.#handlers.onSuspended(site);
      }
      for (const effect of effects) this.#handlers.runEffect(round, effect);
    });
  }

  /**
   * Store events and the state they lead to; where it is the first settled one, with the signed membership record and what
   * follows for the sites.
   *
   * @returns the attempt as it is then, and the sites that are suspended for the rounds they lost
   */
  async storeEvents(
    transaction: Queries,
    before: RoundRecord,
    events: readonly RoundEvent[],
    state: RoundState,
  ): Promise<{ readonly round: RoundRecord; readonly suspended: readonly SiteId[] }> {
    this.#environment.transactions.whenEnded(transaction, (end) => {
      if (end === 'unknown') this.#handlers.goOn(before.task);
    });
    if (!isRoundSettled(state) || before.settledAtMs !== null) {
      const round = await this.#store.advance(transaction, before, events, state);
      return { round, suspended: [] };
    }
    const membership = await this.#signMembership(transaction, before, state);
    const atMs = this.#environment.clock.wallTimeMs();
    const settled = { atMs, membership };
    this.#environment.transactions.whenEnded(transaction, (end) => {
      if (end !== 'committed') return;
      const seconds = Math.max(0, atMs - before.openedAtMs) / 1000;
      this.#environment.metrics.roundSeconds.observe({ outcome: outcomeOf(state) }, seconds);
    });
    const round = await this.#store.advance(transaction, before, events, state, settled);
    await this.#audit.append(transaction, {
      actor: 'coordinator',
      action: `round.${outcomeOf(state)}`,
      target: `task:${before.task}`,
      details: { round: before.round, attempt: before.attempt, reason: state.reason },
    });
    if (outcomeOf(state) === 'abandoned') {
      await this.#alerts.raise(transaction, abandonedRound(before));
    }
    return { round, suspended: await this.#countLostRounds(transaction, state) };
  }

  /** Sign who took part in a round that settles, and who did not. */
  async #signMembership(
    transaction: Queries,
    before: RoundRecord,
    state: RoundState,
  ): Promise<SignedEnvelope> {
    const definition = await this.#tasks.definition(before.task, transaction);
    const outcome = outcomeOf(state);
    const payload = encodePayload(membershipRecordSchema, {
      type: 'membership',
      protocol: protocolVersion,
      federation: this.#environment.federation,
      task: before.task,
      round: before.round,
      attempt: before.attempt,
      outcome,
      reason: state.reason,
      isComplete:
        outcome === 'published' && state.members.every(({ status }) => status === 'reported'),
      members: membershipEntries(state, definition, outcome),
    });
    const { secretKey } = this.#environment.keys.signing;
    return signPayload(signDomains.membership, payload, secretKey);
  }

  /**
   * After too many lost rounds in a row a site is suspended: shown, and one command back. A round that went on with its
   * quorum before the deadline counts against nobody.
   */
  async #countLostRounds(transaction: Queries, state: RoundState): Promise<readonly SiteId[]> {
    const withStatus = (status: string) =>
      state.members.filter((member) => member.status === status).map((member) => member.site);
    const reported = withStatus('reported');
    if (reported.length > 0) {
      await transaction.update(sites).set({ lostRounds: 0 }).where(inArray(sites.site, reported));
    }
    const suspended: SiteId[] = [];
    for (const site of state.isClosedByQuorum === true ? [] : withStatus('lost')) {
      const rows = await transaction
        .update(sites)
        .set({ lostRounds: sql`${sites.lostRounds} + 1` })
        .where(eq(sites.site, site))
        .returning({ lostRounds: sites.lostRounds, status: sites.status });
      const lostRounds = rows[0]?.lostRounds ?? 0;
      if (rows[0]?.status !== 'active' || lostRounds < this.#environment.settings.lostRoundsMax) {
        continue;
      }
      const reason = `it lost ${lostRounds} rounds in a row`;
      const change = { site, status: 'suspended', reason, actor: 'coordinator' } as const;
      await this.#roster.setStatus(transaction, change);
      suspended.push(site);
    }
    return suspended;
  }
}
