/** The life of rounds: what opens next, what an effect does, what a restart goes on with. */
import { Injectable } from '@nestjs/common';
import {
  decodePayload,
  effectsAfterRestart,
  plannedRound,
  reduceRound,
  isRoundSettled,
  roundOpenSchema,
  type RoundEffect,
  type RoundEvent,
  type RoundState,
  type SiteId,
  type TaskId,
} from '#core/protocol';
import { InvariantError, RelayedError } from '#core/errors';
import { AuditService, type AuditRecord } from '../audit/audit.service.ts';
import { BackgroundWork } from '../common/background-work.ts';
import { isRepeatedCommand } from '../common/command-context.ts';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { OpeningGate } from '../operations/opening-gate.service.ts';
import { VersionsService, type VersionRecord } from '../registry/versions.service.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { OpeningsService } from '../tasks/openings.service.ts';
import { finalVersionOf, nextBaseOf, TaskStore, type TaskRecord } from '../tasks/task-store.ts';
import { AggregationService } from './aggregation.service.ts';
import { DeadlinesService } from './deadlines.service.ts';
import { offsetOfRerun, signOpening } from './round-opening.ts';
import { roundNotFound, RoundStore, type RoundRecord } from './round-store.ts';
import { RoundTransitionsService } from './round-transitions.service.ts';

const reasonLengthMax = 500;
/** How often tasks with a schedule are looked at. */
const scheduleLookMs = 1000;

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
  readonly #tasks: TaskStore;
  readonly #roster: RosterService;
  readonly #versions: VersionsService;
  readonly #connections: ConnectionsService;
  readonly #deadlines: DeadlinesService;
  readonly #aggregation: AggregationService;
  readonly #audit: AuditService;
  readonly #openings: OpeningsService;
  /** When the last attempt of a task with a schedule was opened; null before the first. */
  readonly #lastOpenedAtMs = new Map<TaskId, number | null>();
  readonly #gate: OpeningGate;

  constructor(
    environment: Environment,
    background: BackgroundWork,
    store: RoundStore,
    transitions: RoundTransitionsService,
    tasks: TaskStore,
    roster: RosterService,
    versions: VersionsService,
    connections: ConnectionsService,
    deadlines: DeadlinesService,
    aggregation: AggregationService,
    audit: AuditService,
    openings: OpeningsService,
    gate: OpeningGate,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#store = store;
    this.#transitions = transitions;
    this.#tasks = tasks;
    this.#roster = roster;
    this.#versions = versions;
    this.#connections = connections;
    this.#deadlines = deadlines;
    this.#aggregation = aggregation;
    this.#audit = audit;
    this.#openings = openings;
    this.#gate = gate;
    transitions.connect(
      (round, effect) => {
        this.#runEffect(round, effect);
      },
      (site) => {
        this.#background.start('withdraw', () => this.withdraw(site, 'the site is suspended'));
      },
    );
  }

  /** Go on where the last process ended: effects without a recorded outcome, then whatever opens next. */
  async resume(): Promise<void> {
    await this.#deadlines.start();
    for (const round of await this.#store.unsettled()) {
      for (const effect of effectsAfterRestart(round.state)) this.#runEffect(round, effect);
    }
    await this.advanceAll();
    this.#background.startEvery('schedules', scheduleLookMs, () => this.#openScheduled());
  }

  /** Open what may open in every task. */
  async advanceAll(): Promise<void> {
    for (const { task } of await this.#tasks.list()) await this.advance(task);
  }

  /** Open what a schedule held back until now. */
  async #openScheduled(): Promise<void> {
    const openTasks = new Set((await this.#store.unsettled()).map(({ task }) => task));
    for (const record of await this.#tasks.list()) {
      const { task, status, schedule } = record;
      if (status !== 'running' || schedule === null || openTasks.has(task)) continue;
      if (!this.#lastOpenedAtMs.has(task)) {
        this.#lastOpenedAtMs.set(task, (await this.#store.latest(task))?.openedAtMs ?? null);
      }
      const lastOpenedAtMs = this.#lastOpenedAtMs.get(task) ?? null;
      if (this.#openings.isDue(record, lastOpenedAtMs)) await this.advance(task);
    }
  }

  /** Open the next attempt of a running task that has none open, or end the task. */
  async advance(task: TaskId): Promise<void> {
    await this.#transitions.exclusively(task, async () => {
      const { transactions, crashPoints } = this.#environment;
      const mayOpen = (await this.#gate.refusal()) === null;
      const opened = await transactions.run((transaction) =>
        this.#advanceWithin(transaction, task, mayOpen),
      );
      if (opened !== null) {
        this.#lastOpenedAtMs.set(task, opened.round.openedAtMs);
        crashPoints.reach('coordinator.opening-stored');
        await this.#transitions.finish(opened.round, opened.effects, opened.suspended);
      }
    });
  }

  async #advanceWithin(transaction: Queries, name: TaskId, mayOpen: boolean) {
    const task = await this.#tasks.get(name, transaction);
    if (task.status !== 'running') return null;
    const latest = await this.#store.latest(name, { queries: transaction });
    if (latest !== null && !isRoundSettled(latest.state)) return null;
    if (task.latestVersion >= finalVersionOf(task)) {
      await this.#tasks.update(transaction, name, { status: 'finished', reason: null });
      return null;
    }
    if (!this.#openings.isDue(task, latest?.openedAtMs ?? null)) return null;
    const round = task.latestVersion + 1;
    const attempts = latest?.round === round ? latest.attempt : 0;
    if (attempts - task.attemptsForgiven < this.#environment.settings.attemptsMax) {
      if (!mayOpen || this.#gate.isDraining) return null; // a later call finds the task as it is
      return this.#open(transaction, task, round, attempts + 1);
    }
    const last = latest?.state.reason ?? 'no reason recorded';
    const reason = `round ${round} was abandoned ${attempts - task.attemptsForgiven} times, at last: ${last}`;
    await this.#tasks.update(transaction, name, { status: 'failed', reason });
    await this.#audit.append(transaction, {
      actor: 'coordinator',
      action: 'task.failed',
      target: `task:${name}`,
      details: { reason },
    });
    return null;
  }

  /** Store a signed attempt with its first events: opened, and withdrawn for every member that may not take part. */
  async #open(transaction: Queries, task: TaskRecord, round: number, attempt: number) {
    const { definition } = task;
    const baseVersion = nextBaseOf(task);
    const base = await this.#versions.get(task.task, baseVersion, transaction);
    const opening = signOpening({
      federation: this.#environment.federation,
      keys: this.#environment.keys,
      definition,
      shape: this.#tasks.shape(definition),
      round,
      attempt,
      rosterEpoch: await this.#roster.epoch(transaction),
      baseVersion,
      globalAdapterDigest: base.adapterDigest,
      scheduleOffset: await this.#scheduleOffset(transaction, task, base),
      openedAtMs: this.#environment.clock.wallTimeMs(),
    });
    const planned = plannedRound({ members: definition.members, ...definition.rules });
    const inserted = { task: task.task, round, attempt, baseVersion, state: planned, ...opening };
    const record = await this.#store.insert(transaction, inserted);
    const { events, state, effects } = reduceAll(planned, [
      { type: 'opened', deadlineAtMs: opening.deadlineAtMs },
      ...this.#withdrawals(definition.members),
    ]);
    const stored = await this.#transitions.storeEvents(transaction, record, events, state);
    await this.#audit.append(transaction, {
      actor: 'coordinator',
      action: 'round.opened',
      target: `task:${task.task}`,
      details: { round, attempt, baseVersion, openDigest: opening.openDigest },
    });
    this.#environment.crashPoints.reach('coordinator.opening-uncommitted');
    return { ...stored, effects };
  }

  async #scheduleOffset(transaction: Queries, task: TaskRecord, base: VersionRecord) {
    if (task.finalVersion === null) return task.latestVersion;
    const roundsBehind = await this.roundsBehind(base, transaction);
    const roundsToGo = task.finalVersion - task.latestVersion;
    return offsetOfRerun(task.definition, { roundsBehind, roundsToGo });
  }

  /** Rounds of the schedule that lie behind a version: those of its own lineage, not those that a re-run left behind. */
  async roundsBehind(version: VersionRecord, transaction?: Queries): Promise<number> {
    if (version.roundId === null) return 0;
    const { openPayload } = await this.#store.get(version.roundId, transaction);
    return decodePayload(roundOpenSchema, openPayload, 'stored RoundOpen').scheduleOffset + 1;
  }

  /** Events for members that are suspended, revoked or left now: nobody is left out silently. */
  #withdrawals(members: readonly SiteId[]): RoundEvent[] {
    return members.flatMap((site) => {
      const status = this.#roster.find(site)?.status;
      if (status !== 'suspended' && status !== 'revoked' && status !== 'left') return [];
      return [{ type: 'withdrawn' as const, site, reason: `the site is ${status}` }];
    });
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
    await this.advance(task);
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
        await this.#environment.transactions.run(change);
        return;
      }
      const event = { type: 'abandoned', reason: abandonReason.slice(0, reasonLengthMax) } as const;
      await this.#transitions.applyHeld(open, event, change);
    });
  }

  /**
   * Abandon the open attempt at a round.
   *
   * @throws StateError ROUND_NOT_FOUND, RelayedError STATE_CONFLICT where it has settled
   */
  async abandon(task: TaskId, round: number, reason: string): Promise<RoundRecord> {
    const record = await this.#store.latest(task, { round });
    if (record === null) throw roundNotFound(task, round);
    // The attempt that this command abandoned is settled; the one after it is not what was meant.
    const abandoned = isRepeatedCommand() ? await this.#lastAbandoned(task, round) : undefined;
    if (abandoned !== undefined) return abandoned;
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

  async #lastAbandoned(task: TaskId, round: number): Promise<RoundRecord | undefined> {
    const attempts = await this.#store.list(task);
    return attempts.find((each) => each.round === round && each.state.phase === 'abandoned');
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
        this.#background.start('schedule', () => this.#scheduleDeadline(round.id));
        return;
      case 'aggregate':
        this.#deadlines.cancel(round.id);
        this.#aggregation.start(round.id);
        return;
      case 'settle':
        this.#deadlines.cancel(round.id);
        this.#connections.announce();
        this.#background.start('advance', () => this.advance(round.task));
        return;
    }
  }

  /** Measure the stored deadline, to which down-time was added, not the one of the event. */
  async #scheduleDeadline(roundId: number): Promise<void> {
    const round = await this.#store.get(roundId);
    if (round.state.phase !== 'inviting' && round.state.phase !== 'training') return;
    this.#deadlines.schedule(roundId, round.deadlineAtMs, () => {
      this.#background.start('deadline', () =>
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

/** Apply events one after the other, until one settles the round. */
function reduceAll(planned: RoundState, wanted: readonly RoundEvent[]) {
  let state = planned;
  const events: RoundEvent[] = [];
  const effects: RoundEffect[] = [];
  for (const event of wanted) {
    if (isRoundSettled(state)) break;
    const transition = reduceRound(state, event);
    if (transition.kind !== 'changed') {
      throw new InvariantError(`round: expected ${event.type} to apply to a planned round`);
    }
    events.push(event);
    state = transition.state;
    effects.push(...transition.effects);
  }
  return { events, state, effects };
}
