/** The life of rounds: what an effect does, who leaves them, what a restart goes on with. */
import { Injectable } from '@nestjs/common';
import {
  effectsAfterRestart,
  isRoundSettled,
  type RoundEffect,
  type RoundEvent,
  type SiteId,
  type TaskId,
} from '#core/protocol';
import { RelayedError, StateError } from '#core/errors';
import { AuditService, type AuditRecord } from '../audit/audit.service.ts';
import { BackgroundWork } from '../common/background-work.ts';
import { isRepeatedCommand } from '../common/command-context.ts';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { AggregationService } from './aggregation.service.ts';
import { DeadlinesService } from './deadlines.service.ts';
import { RoundOpeningsService } from './round-openings.service.ts';
import { roundNotFound, RoundStore, type RoundRecord } from './round-store.ts';
import { RoundTransitionsService } from './round-transitions.service.ts';

const reasonLengthMax = 500;
/** How often tasks with a schedule are looked at. */
const scheduleLookMs = 1000;

/** Which round is abandoned, and why. */
interface Abandoning {
  readonly task: TaskId;
  readonly round: number;
  readonly reason: string;
  /** The attempt that was looked at; any where it is left out. */
  readonly ifAttempt?: number;
}

/** What changes of a task, and why its open attempt is abandoned with it; null where it goes on. */
export interface TaskChangePlan {
  readonly change: (transaction: Queries) => Promise<void>;
  readonly abandonReason: string | null;
}

/** The life of rounds. */
@Injectable()
export class RoundsService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #store: RoundStore;
  readonly #transitions: RoundTransitionsService;
  readonly #connections: ConnectionsService;
  readonly #deadlines: DeadlinesService;
  readonly #aggregation: AggregationService;
  readonly #audit: AuditService;
  readonly #openings: RoundOpeningsService;

  constructor(
    environment: Environment,
    background: BackgroundWork,
    store: RoundStore,
    transitions: RoundTransitionsService,
    connections: ConnectionsService,
    deadlines: DeadlinesService,
    aggregation: AggregationService,
    audit: AuditService,
    openings: RoundOpeningsService,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#store = store;
    this.#transitions = transitions;
    this.#connections = connections;
    this.#deadlines = deadlines;
    this.#aggregation = aggregation;
    this.#audit = audit;
    this.#openings = openings;
    transitions.connect({
      runEffect: (round, effect) => {
        this.#runEffect(round, effect);
      },
      onSuspended: (site) => {
        background.startUntilDone('withdraw', () => this.withdraw(site, 'the site is suspended'));
      },
      goOn: (task) => {
        background.startUntilDone('go-on', () => this.#goOn(task));
      },
    });
  }

  /** Go on where the last process ended: effects without a recorded outcome, then whatever opens next. */
  async resume(): Promise<void> {
    await this.#deadlines.start();
    for (const round of await this.#store.unsettled()) {
      for (const effect of effectsAfterRestart(round.state)) this.#runEffect(round, effect);
    }
    await this.#openings.advanceAll();
    this.#background.startEvery('schedules', scheduleLookMs, () => this.#openings.openScheduled());
  }

  /** Go on with one task as {@link resume} does; whatever was done already is done again without harm. */
  #goOn(task: TaskId): Promise<void> {
    return this.#transitions.exclusively(task, async () => {
      const latest = await this.#store.latest(task);
      if (latest === null || isRoundSettled(latest.state)) {
        this.#settle(task, latest);
        return;
      }
      for (const effect of effectsAfterRestart(latest.state)) this.#runEffect(latest, effect);
      this.#connections.announce();
    });
  }

  #settle(task: TaskId, round: RoundRecord | null): void {
    if (round !== null) this.#deadlines.cancel(round.id);
    this.#connections.announce();
    this.#openings.advanceSoon(task);
  }

  /** Take a site out of every open round, with the reason; an update it reported stays where `keepReported` is set. */
  async withdraw(site: SiteId, reason: string, keepReported = true): Promise<void> {
    for (const round of await this.#store.unsettled()) {
      const member = round.state.members.find((candidate) => candidate.site === site);
      if (member === undefined || (keepReported && member.status === 'reported')) continue;
      await this.#applyIfPossible(round, { type: 'withdrawn', site, reason });
    }
  }

  /**
   * Change a task, and with it abandon its open attempt where that is asked for, in one transaction; then see what opens.
   * A command that took effect before is not done again.
   *
   * @param plan - given the last attempt where it is open, null otherwise
   * @param isRepeatable - whether it is done again all the same
   */
  async changeTask(
    task: TaskId,
    plan: (open: RoundRecord | null) => Promise<TaskChangePlan>,
    isRepeatable = false,
  ): Promise<void> {
    if (isRepeatable || !isRepeatedCommand()) await this.#changeTask(task, plan);
    await this.#openings.advanceUntilDone(task);
  }

  #changeTask(
    task: TaskId,
    plan: (open: RoundRecord | null) => Promise<TaskChangePlan>,
  ): Promise<void> {
    return this.#transitions.exclusively(task, async () => {
      const latest = await this.#store.latest(task);
      const open = latest === null || isRoundSettled(latest.state) ? null : latest;
      const { change, abandonReason } = await plan(open);
      if (open === null || abandonReason === null) {
        const { transactions } = this.#environment;
        await transactions.run((transaction) => {
          transactions.whenEnded(transaction, (end) => {
            if (end === 'unknown') this.#settle(task, null);
          });
          return change(transaction);
        });
        return;
      }
      const event = { type: 'abandoned', reason: abandonReason.slice(0, reasonLengthMax) } as const;
      await this.#transitions.applyHeld(open, event, change);
    });
  }

  /**
   * Abandon the open attempt at a round; `ifAttempt`: only where that is the last one.
   *
   * @throws StateError ROUND_NOT_FOUND, STATE_CONFLICT, RelayedError STATE_CONFLICT where it has settled
   */
  async abandon({ task, round, reason, ifAttempt }: Abandoning): Promise<RoundRecord> {
    const record = await this.#store.latest(task, { round });
    if (record === null) throw roundNotFound(task, round);
    // The attempt that this command abandoned is settled; the one after it is not what was meant.
    const abandoned = isRepeatedCommand() ? await this.#store.lastAbandoned(task, round) : null;
    if (abandoned !== null) return abandoned;
    if (ifAttempt !== undefined && ifAttempt !== record.attempt) {
      throw new StateError(
        'STATE_CONFLICT',
        `task ${task}, round ${round}: expected attempt ${ifAttempt} to be the last one, it is attempt ${record.attempt}; nothing was done, look again and decide anew`,
        { attempt: record.attempt },
      );
    }
    const event = { type: 'abandoned', reason } as const;
    const outcome = await this.#transitions.apply(record, event, (transaction) =>
      this.#audit.append(transaction, {
        actor: 'administrator',
        action: 'round.abandon',
        target: `task:${task}`,
        details: { round, attempt: record.attempt, reason },
      }),
    );
    return outcome.round;
  }

  /** Apply an event that another one may have overtaken. */
  async #applyIfPossible(round: RoundRecord, event: RoundEvent): Promise<void> {
    try {
      await this.#transitions.apply(round, event, (transaction) =>
        this.#audit.append(transaction, ...withdrawalRecords(round, event)),
      );
    } catch (error) {
      if (!(error instanceof RelayedError)) throw error;
      const { logger } = this.#environment;
      logger.info('event overtaken', { task: round.task, round: round.round, event: event.type });
    }
  }

  #runEffect(round: RoundRecord, effect: RoundEffect): void {
    switch (effect.type) {
      case 'announce':
        this.#connections.announce();
        return;
      case 'schedule-deadline':
        this.#background.startUntilDone('schedule', () => this.#scheduleDeadline(round.id));
        return;
      case 'aggregate':
        this.#deadlines.cancel(round.id);
        this.#aggregation.start(round.id);
        return;
      case 'settle':
        this.#settle(round.task, round);
        return;
    }
  }

  /** Measure the stored deadline, to which down-time was added, not the one of the event. */
  async #scheduleDeadline(roundId: number): Promise<void> {
    const round = await this.#store.get(roundId);
    if (round.state.phase !== 'inviting' && round.state.phase !== 'training') return;
    this.#deadlines.schedule(roundId, round.deadlineAtMs, () => {
      this.#background.startUntilDone('deadline', () =>
        this.#applyIfPossible(round, { type: 'deadline-passed' }),
      );
    });
  }
}

/** What the audit log says of a site that the coordinator takes out of a round. */
function withdrawalRecords(round: RoundRecord, event: RoundEvent): AuditRecord[] {
  if (event.type !== 'withdrawn') return [];
  return [
    {
      actor: 'coordinator',
      action: 'round.withdrawn',
      target: `task:${round.task}`,
      details: {
        ...{ round: round.round, attempt: round.attempt },
        ...{ site: event.site, reason: event.reason },
      },
    },
  ];
}
