/** What opens next: the next attempt of a task, from the version it goes on from, when its schedule lets it. */
import { Injectable } from '@nestjs/common';
import { aggregationMethod } from '#core/aggregation';
import { InvariantError } from '#core/errors';
import {
  decodePayload,
  isRoundSettled,
  plannedRound,
  reduceRound,
  roundOpenSchema,
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
import type { Queries } from '../config/database.ts';
import { OpeningGate } from '../operations/opening-gate.service.ts';
import { VersionsService, type VersionRecord } from '../registry/versions.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { SchedulesService } from '../tasks/schedules.service.ts';
import {
  finalVersionOf,
  nextBaseOf,
  TaskStore,
  tensorsOfRound,
  type TaskRecord,
  type TaskShape,
} from '../tasks/task-store.ts';
import { offsetOfRerun, signOpening } from './round-opening.ts';
import { RoundStore } from './round-store.ts';
import { RoundTransitionsService } from './round-transitions.service.ts';

/** What opens next. */
@Injectable()
export class RoundOpeningsService {
  readonly #environment: Environment;
  readonly #store: RoundStore;
  readonly #transitions: RoundTransitionsService;
  readonly #tasks: TaskStore;
  readonly #roster: RosterService;
  readonly #versions: VersionsService;
  readonly #audit: AuditService;
  readonly #schedules: SchedulesService;
  readonly #gate: OpeningGate;
  readonly #background: BackgroundWork;
  /** When the last attempt of a task with a schedule was opened; null before the first. */
  readonly #lastOpenedAtMs = new Map<TaskId, number | null>();

  constructor(
    environment: Environment,
    store: RoundStore,
    transitions: RoundTransitionsService,
    tasks: TaskStore,
    roster: RosterService,
    versions: VersionsService,
    audit: AuditService,
    schedules: SchedulesService,
    gate: OpeningGate,
    background: BackgroundWork,
  ) {
    this.#background = background;
    this.#environment = environment;
    this.#store = store;
    this.#transitions = transitions;
    this.#tasks = tasks;
    this.#roster = roster;
    this.#versions = versions;
    this.#audit = audit;
    this.#schedules = schedules;
    this.#gate = gate;
  }

  /** Open what may open in every task. */
  async advanceAll(): Promise<void> {
    for (const { task } of await this.#tasks.list()) await this.advance(task);
  }

  /** Open what a schedule held back until now. */
  async openScheduled(): Promise<void> {
    const openTasks = new Set((await this.#store.unsettled()).map(({ task }) => task));
    for (const record of await this.#tasks.list()) {
      const { task, status, schedule } = record;
      if (status !== 'running' || schedule === null || openTasks.has(task)) continue;
      if (!this.#lastOpenedAtMs.has(task)) {
        this.#lastOpenedAtMs.set(task, (await this.#store.latest(task))?.openedAtMs ?? null);
      }
      const lastOpenedAtMs = this.#lastOpenedAtMs.get(task) ?? null;
      if (this.#schedules.isDue(record, lastOpenedAtMs)) await this.advance(task);
    }
  }

  /** {@link advance}, in the background where it fails at first: what it follows is stored already. */
  advanceUntilDone(task: TaskId): Promise<void> {
    return this.#background.nowOrUntilDone('advance', () => this.advance(task));
  }

  /** {@link advance} in the background: nobody waits for it. */
  advanceSoon(task: TaskId): void {
    this.#background.startUntilDone('advance', () => this.advance(task));
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
    const task = await this.#tasks.find(name, transaction);
    if (task?.status !== 'running') return null;
    const latest = await this.#store.latest(name, { queries: transaction });
    if (latest !== null && !isRoundSettled(latest.state)) return null;
    if (task.latestVersion >= finalVersionOf(task)) {
      await this.#tasks.update(transaction, name, { status: 'finished' });
      return null;
    }
    const round = task.latestVersion + 1;
    const attempts = latest?.round === round ? latest.attempt : 0;
    if (attempts - task.attemptsForgiven < this.#environment.settings.attemptsMax) {
      const isDue = this.#schedules.isDue(task, latest?.openedAtMs ?? null);
      if (!isDue || !mayOpen || this.#gate.isDraining) return null; // a later call finds the task as it is
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
    const shape = this.#tasks.shape(definition);
    const opening = signOpening({
      federation: this.#environment.federation,
      keys: this.#environment.keys,
      definition,
      shape,
      trainedTensors: await this.#trainedTensors(definition, shape, base),
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

  /** Where rounds of a task train one part after the other, the state after the base tells whose turn it is. */
  async #trainedTensors(definition: TaskDefinition, shape: TaskShape, base: VersionRecord) {
    const { countsRounds } = aggregationMethod(definition.aggregation.method);
    const state = countsRounds ? await this.#versions.state(base, shape.layout) : null;
    return tensorsOfRound(definition, shape, state?.roundsDone ?? 0);
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
