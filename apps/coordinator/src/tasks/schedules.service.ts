/** Whether the next round of a task may open: what its calendar says and which of its members are ready. */
import { Injectable } from '@nestjs/common';
import type { SiteId, TaskDefinition } from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { nextOpeningAtMs } from './task-schedule.ts';
import type { TaskRecord } from './task-store.ts';
import type { ScheduleView } from './tasks.contract.ts';

/** Whether the next round of a task may open. */
@Injectable()
export class SchedulesService {
  readonly #environment: Environment;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;

  constructor(environment: Environment, roster: RosterService, connections: ConnectionsService) {
    this.#environment = environment;
    this.#roster = roster;
    this.#connections = connections;
  }

  /** Whether an attempt may open now; `lastOpenedAtMs` is null before the first. */
  isDue(task: Pick<TaskRecord, 'definition' | 'schedule'>, lastOpenedAtMs: number | null): boolean {
    const { schedule, definition } = task;
    if (schedule === null) return true;
    const nowMs = this.#environment.clock.wallTimeMs();
    const nextAtMs = nextOpeningAtMs(schedule, lastOpenedAtMs, nowMs);
    if (nextAtMs !== null && nextAtMs > nowMs) return false;
    return this.#readyMembers(definition).length >= (schedule.rules.sitesReady ?? 0);
  }

  /** The same for people; null without a schedule. */
  view(
    task: Pick<TaskRecord, 'definition' | 'schedule'>,
    lastOpenedAtMs: number | null,
  ): ScheduleView | null {
    const { schedule, definition } = task;
    if (schedule === null) return null;
    return {
      rules: schedule.rules,
      nextAtMs: nextOpeningAtMs(schedule, lastOpenedAtMs, this.#environment.clock.wallTimeMs()),
      sitesReady: this.#readyMembers(definition).length,
      isDue: this.isDue(task, lastOpenedAtMs),
    };
  }

  /** Members that are connected and whose hello approves the task and names its backbone. */
  #readyMembers({ members, task, backbone }: TaskDefinition): readonly SiteId[] {
    return members.filter((site) => {
      const record = this.#roster.find(site);
      // Null until the hello of this very connection has come.
      const backbones = this.#connections.backbonesOf(site);
      return (
        record?.status === 'active' &&
        backbones?.includes(backbone.fingerprint) === true &&
        record.capabilities?.approvedTasks.includes(task) === true
      );
    });
  }
}
