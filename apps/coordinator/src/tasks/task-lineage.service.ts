/** Which version of a task people should use, and from which one it goes on: promote, run again, roll back. */
import { Injectable } from '@nestjs/common';
import { InputError, StateError } from '#core/errors';
import { limits, type TaskId } from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import type { Queries } from '../config/database.ts';
import { VersionsService } from '../registry/versions.service.ts';
import { RoundOpeningsService } from '../rounds/round-openings.service.ts';
import { RoundStore, type RoundRecord } from '../rounds/round-store.ts';
import { RoundsService, type TaskChangePlan } from '../rounds/rounds.service.ts';
import { checkRevision } from './task-revision.ts';
import { TaskStore, type TaskChange, type TaskRecord } from './task-store.ts';

/** How a task is run again. */
export interface RerunRequest {
  readonly fromVersion: number;
  /** Rounds to make; as many as the definition has after that version where it is left out, at least one. */
  readonly rounds?: number;
  readonly reason: string;
  /** The revision that was looked at; any where it is left out. */
  readonly ifRevision?: string;
}

/** Which version people should use. */
export interface PromoteRequest {
  /** Null takes a promotion back. */
  readonly version: number | null;
  readonly reason?: string;
  readonly ifRevision?: string;
}

/** Promote, run again, roll back. */
@Injectable()
export class TaskLineageService {
  readonly #tasks: TaskStore;
  readonly #rounds: RoundsService;
  readonly #roundStore: RoundStore;
  readonly #openings: RoundOpeningsService;
  readonly #versions: VersionsService;
  readonly #audit: AuditService;

  constructor(
    tasks: TaskStore,
    rounds: RoundsService,
    roundStore: RoundStore,
    versions: VersionsService,
    audit: AuditService,
    openings: RoundOpeningsService,
  ) {
    this.#tasks = tasks;
    this.#rounds = rounds;
    this.#roundStore = roundStore;
    this.#versions = versions;
    this.#audit = audit;
    this.#openings = openings;
  }

  /** Say which version people should use; null takes that back. */
  promote(task: TaskId, request: PromoteRequest): Promise<void> {
    const { version, reason = null, ifRevision } = request;
    return this.#rounds.changeTask(task, async () => {
      const record = await this.#tasks.get(task);
      checkRevision(record, ifRevision);
      if (version !== null) await this.#versions.get(task, version);
      return {
        abandonReason: null,
        change: (transaction) => this.#promoteWithin(transaction, record, version, reason),
      };
    });
  }

  async #promoteWithin(
    transaction: Queries,
    record: TaskRecord,
    version: number | null,
    reason: string | null,
  ): Promise<void> {
    if (record.promotedVersion === version) return;
    await this.#tasks.update(transaction, record.task, { promotedVersion: version });
    await this.#audit.append(transaction, {
      actor: 'administrator',
      action: 'task.promoted',
      target: `task:${record.task}`,
      details: { version, before: record.promotedVersion, reason },
    });
  }

  /**
   * Let the next round start from a version. An open attempt that starts from another one is abandoned; a task that had
   * ended or failed runs again, a paused one stays paused.
   *
   * @param options - `promoted`: promoted in the same transaction. `isRepeatable`: done although the present command took
   * effect before, since the caller saw that this part of it did not
   */
  rerun(
    task: TaskId,
    request: RerunRequest,
    options: { readonly promoted?: number; readonly isRepeatable?: true } = {},
  ): Promise<void> {
    const { promoted, isRepeatable = false } = options;
    const plan = async (open: RoundRecord | null): Promise<TaskChangePlan> => {
      const record = await this.#tasks.get(task);
      checkRevision(record, request.ifRevision);
      const { abandonReason, change } = await this.#planRerun(record, request, open);
      return {
        abandonReason,
        change: async (transaction) => {
          await this.#tasks.update(transaction, task, change);
          const { fromVersion, reason } = request;
          const { finalVersion = null } = change;
          await this.#audit.append(transaction, {
            actor: 'administrator',
            action: promoted === undefined ? 'task.rerun' : 'task.rolled-back',
            target: `task:${task}`,
            details: { fromVersion, finalVersion, latestVersion: record.latestVersion, reason },
          });
          if (promoted === undefined) return;
          await this.#promoteWithin(transaction, record, promoted, reason);
        },
      };
    };
    return this.#rounds.changeTask(task, plan, isRepeatable);
  }

  async #planRerun(record: TaskRecord, request: RerunRequest, open: RoundRecord | null) {
    const { task, latestVersion, status, definition } = record;
    if (status === 'created' || status === 'cancelled') {
      throw new StateError(
        'STATE_CONFLICT',
        `task ${task}: expected one that was started and not cancelled, it is ${status}; ${status === 'created' ? 'start it' : 'make a new task'}`,
        { status },
      );
    }
    const base = await this.#versions.get(task, request.fromVersion);
    const planned = definition.rounds - (await this.#openings.roundsBehind(base));
    const finalVersion = latestVersion + (request.rounds ?? Math.max(1, planned));
    if (finalVersion > limits.roundsMax) {
      throw new InputError(
        'REQUEST_INVALID',
        `task ${task}: expected at most ${limits.roundsMax} rounds in all, got ${finalVersion}; make a new task`,
        { roundsMax: limits.roundsMax, finalVersion },
      );
    }
    const latest = await this.#roundStore.latest(task, { round: latestVersion + 1 });
    const isKept = open?.baseVersion === base.version;
    const change: TaskChange = {
      status: status === 'paused' ? 'paused' : 'running',
      reason: status === 'paused' ? record.reason : null,
      nextBaseVersion: base.version === latestVersion ? null : base.version,
      finalVersion,
      attemptsForgiven: (latest?.attempt ?? 0) - (isKept ? 1 : 0),
    };
    const abandonReason =
      open === null || isKept
        ? null
        : `the task is run again from version ${base.version}: ${request.reason}`;
    return { abandonReason, change };
  }
}
