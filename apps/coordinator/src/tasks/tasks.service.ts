/** The life of tasks: created with version 0, running, paused, finished, failed or cancelled. */
import { Injectable } from '@nestjs/common';
import { InputError, StateError } from '#core/errors';
import type { SiteId, TaskDefinition, TaskId } from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { isRepeatedCommand } from '../common/command-context.ts';
import { Environment } from '../common/environment.ts';
import { BaselineRequestsService } from '../evaluation/baseline-requests.service.ts';
import { KeyedMutex } from '../common/mutex.ts';
import { libraryName } from '../common/package-info.ts';
import { pageOfNamed, type Page, type PageQuery } from '../common/pages.contract.ts';
import { OpeningGate } from '../operations/opening-gate.service.ts';
import type { OpeningRefusal } from '../operations/operations.contract.ts';
import { VersionsService } from '../registry/versions.service.ts';
import { RoundOpeningsService } from '../rounds/round-openings.service.ts';
import { RoundStore } from '../rounds/round-store.ts';
import { RoundsService } from '../rounds/rounds.service.ts';
import { RoundViewsService } from '../rounds/round-views.service.ts';
import type { RoundView } from '../rounds/rounds.contract.ts';
import { RosterService } from '../sites/roster.service.ts';
import { SchedulesService } from './schedules.service.ts';
import type { ScheduleRules } from './task-schedule.ts';
import { checkRevision, revisionOf } from './task-revision.ts';
import { finalVersionOf, nextBaseOf, taskShape, TaskStore, type TaskRecord } from './task-store.ts';
import type { TaskStatus, TaskView } from './tasks.contract.ts';

/** Bytes of a definition in JSON: a row stays below 64 KiB. */
const definitionBytesMax = 49_152;

/** Why a status is changed, and what was looked at. */
interface Asked {
  readonly reason?: string | null;
  readonly ifRevision?: string | undefined;
}

/** The life of tasks. */
@Injectable()
export class TasksService {
  readonly #environment: Environment;
  readonly #store: TaskStore;
  readonly #roster: RosterService;
  readonly #versions: VersionsService;
  readonly #rounds: RoundsService;
  readonly #roundStore: RoundStore;
  readonly #views: RoundViewsService;
  readonly #audit: AuditService;
  readonly #schedules: SchedulesService;
  readonly #openings: RoundOpeningsService;
  readonly #gate: OpeningGate;
  readonly #baselines: BaselineRequestsService;
  readonly #mutex = new KeyedMutex();

  constructor(
    environment: Environment,
    store: TaskStore,
    roster: RosterService,
    versions: VersionsService,
    rounds: RoundsService,
    roundStore: RoundStore,
    views: RoundViewsService,
    audit: AuditService,
    schedules: SchedulesService,
    openings: RoundOpeningsService,
    gate: OpeningGate,
    baselines: BaselineRequestsService,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#roster = roster;
    this.#versions = versions;
    this.#rounds = rounds;
    this.#roundStore = roundStore;
    this.#views = views;
    this.#audit = audit;
    this.#schedules = schedules;
    this.#openings = openings;
    this.#gate = gate;
    this.#baselines = baselines;
  }

  /** A page of the tasks by name; of those of one site alone for its steward. */
  async list(own: SiteId | null, query: PageQuery<readonly [string]>): Promise<Page<TaskView>> {
    const seen = (await this.#store.list()).filter(
      ({ definition }) => own === null || definition.members.includes(own),
    );
    const { items: records, nextCursor } = pageOfNamed(seen, query, ({ task }) => task);
    const latest = await this.#roundStore.latestOf(records.map(({ task }) => task));
    const rounds = await this.#views.views([...latest.values()]);
    const openingRefusal = await this.#gate.refusal();
    const items = await Promise.all(
      records.map((record) => {
        const currentRound = rounds.find(({ task }) => task === record.task) ?? null;
        return this.#viewOf(record, currentRound, openingRefusal);
      }),
    );
    return { items, nextCursor };
  }

  async get(task: TaskId): Promise<TaskView> {
    const record = await this.#store.get(task);
    const latest = await this.#roundStore.latest(task);
    const currentRound = latest === null ? null : await this.#views.view(latest);
    return this.#viewOf(record, currentRound, await this.#gate.refusal());
  }

  /** Create a task with its version 0, and start it. */
  create(definition: TaskDefinition, isStarted: boolean): Promise<TaskView> {
    const { task } = definition;
    return this.#mutex.run(task, async () => {
      if ((await this.#store.find(task)) !== null) {
        if (isRepeatedCommand()) return this.#advanced(task);
        throw new StateError(
          'ALREADY_EXISTS',
          `tasks: expected a new name, ${task} is there already; a definition never changes, choose another name`,
        );
      }
      this.#checkDefinition(definition);
      const contentKey = this.#versions.freshContentKey();
      const job = { definition, library: libraryName, contentKey };
      const made = await this.#environment.work.makeInitial(job);
      const keepVersion = await this.#versions.keep({ task, version: 0, made, contentKey });
      const { transactions } = this.#environment;
      await transactions.run(async (transaction) => {
        transactions.whenEnded(transaction, (end) => {
          if (end === 'unknown') this.#openings.advanceSoon(task);
        });
        const createdAtMs = this.#environment.clock.wallTimeMs();
        const status: TaskStatus = isStarted ? 'running' : 'created';
        const record = { task, definition, status, createdAtMs, latestVersion: 0 };
        await this.#store.insert(transaction, record);
        await keepVersion(transaction, null);
        await this.#baselines.ask(transaction, record, made.adapterDigest);
        await this.#audit.append(transaction, {
          actor: 'administrator',
          action: 'task.created',
          target: `task:${task}`,
          details: { adapterDigest: made.adapterDigest, members: definition.members.length },
        });
      });
      return this.#advanced(task);
    });
  }

  /** Check what the schema alone cannot: members are sites of this federation, the adapter can be laid out. */
  #checkDefinition(definition: TaskDefinition): void {
    for (const site of definition.members) {
      const { status } = this.#roster.get(site);
      if (status !== 'revoked' && status !== 'left') continue;
      throw new InputError(
        'REQUEST_INVALID',
        `tasks: expected members that can take part, site ${site} is ${status}; leave it out`,
        { site },
      );
    }
    taskShape(definition);
    const bytes = Buffer.byteLength(JSON.stringify(definition));
    if (bytes <= definitionBytesMax) return;
    throw new InputError(
      'PAYLOAD_TOO_LARGE',
      `tasks: expected a definition of at most ${definitionBytesMax} bytes, got ${bytes}; select tensors by 'all' or 'head'`,
      { bytes, bytesMax: definitionBytesMax },
    );
  }

  start(task: TaskId, ifRevision?: string): Promise<TaskView> {
    return this.#change(task, ['created'], 'running', { ifRevision });
  }

  pause(task: TaskId, asked: Asked): Promise<TaskView> {
    return this.#change(task, ['running'], 'paused', asked);
  }

  /** Go on; after a failure the attempts that failed are forgiven. */
  resume(task: TaskId, ifRevision?: string): Promise<TaskView> {
    return this.#change(task, ['paused', 'failed'], 'running', { ifRevision });
  }

  /** End a task for good: its open round is abandoned. */
  cancel(task: TaskId, asked: Asked): Promise<TaskView> {
    const from = ['created', 'running', 'paused', 'failed'] as const;
    const { reason = 'cancelled by an administrator' } = asked;
    return this.#change(task, from, 'cancelled', { ...asked, reason });
  }

  /** Say when rounds may open; null is at once. */
  async schedule(
    task: TaskId,
    { rules, ifRevision }: { readonly rules: ScheduleRules | null; readonly ifRevision?: string },
  ): Promise<TaskView> {
    const { definition } = await this.#store.get(task);
    const sites = rules?.sitesReady ?? 0;
    if (sites > definition.members.length) {
      throw new InputError(
        'REQUEST_INVALID',
        `task ${task}: expected sitesReady up to its ${definition.members.length} members, got ${sites}`,
        { members: definition.members.length, sitesReady: sites },
      );
    }
    const setAtMs = this.#environment.clock.wallTimeMs();
    const schedule = rules === null ? null : { rules, setAtMs };
    await this.#rounds.changeTask(task, async () => ({
      abandonReason: null,
      change: async (transaction) => {
        checkRevision(await this.#store.get(task, transaction), ifRevision);
        await this.#store.update(transaction, task, { schedule });
        await this.#audit.append(transaction, {
          actor: 'administrator',
          action: 'task.scheduled',
          target: `task:${task}`,
          details: { rules },
        });
      },
    }));
    return this.get(task);
  }

  /** Change a task's status; one that is cancelled loses its open round in the same transaction. */
  async #change(
    task: TaskId,
    from: readonly TaskStatus[],
    status: TaskStatus,
    { reason = null, ifRevision }: Asked,
  ): Promise<TaskView> {
    await this.#rounds.changeTask(task, async () => {
      const record = await this.#store.get(task);
      checkRevision(record, ifRevision);
      const isRepeat = record.status === status;
      if (!isRepeat && !from.includes(record.status)) {
        throw new StateError(
          'STATE_CONFLICT',
          `task ${task}: expected it to be ${from.join(' or ')}, it is ${record.status}; see GET /v1/tasks/${task}`,
          { status: record.status },
        );
      }
      const attemptsForgiven =
        record.status === 'failed' ? await this.#attemptsSoFar(record) : record.attemptsForgiven;
      return {
        abandonReason: status === 'cancelled' ? `the task was cancelled: ${reason ?? ''}` : null,
        change: async (transaction) => {
          if (isRepeat) return;
          await this.#store.update(transaction, task, { status, reason, attemptsForgiven });
          await this.#audit.append(transaction, {
            actor: 'administrator',
            action: `task.${status}`,
            target: `task:${task}`,
            details: { reason },
          });
        },
      };
    });
    return this.get(task);
  }

  /** A repeat finds the change made; what follows from it may still have to be done. */
  async #advanced(task: TaskId): Promise<TaskView> {
    await this.#openings.advanceUntilDone(task);
    return this.get(task);
  }

  async #attemptsSoFar(record: TaskRecord): Promise<number> {
    const latest = await this.#roundStore.latest(record.task, { round: record.latestVersion + 1 });
    return latest?.attempt ?? 0;
  }

  async #viewOf(
    record: TaskRecord,
    currentRound: RoundView | null,
    openingRefusal: OpeningRefusal | null,
  ): Promise<TaskView> {
    return {
      task: record.task,
      title: record.definition.title,
      status: record.status,
      reason: record.reason,
      latestVersion: record.latestVersion,
      promotedVersion: record.promotedVersion,
      nextBaseVersion: nextBaseOf(record),
      rounds: finalVersionOf(record),
      schedule: this.#schedules.view(record, currentRound?.openedAtMs ?? null),
      incompleteRounds: [...(await this.#roundStore.incomplete(record.task, record.latestVersion))],
      revision: revisionOf(record),
      createdAtMs: record.createdAtMs,
      definition: record.definition,
      currentRound,
      openingRefusal,
    };
  }
}
