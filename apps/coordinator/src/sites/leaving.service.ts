/** A site that leaves: which versions its share is in, marked for good, and how its tasks go on without it. */
import { Injectable } from '@nestjs/common';
import type { SiteId } from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { versionsWith, VersionsService } from '../registry/versions.service.ts';
import { RoundTransitionsService } from '../rounds/round-transitions.service.ts';
import { TaskLineageService } from '../tasks/task-lineage.service.ts';
import { nextBaseOf, TaskStore, type TaskRecord } from '../tasks/task-store.ts';
import { RosterService } from './roster.service.ts';
import type { LeavingView } from './sites.contract.ts';
import { SitesService } from './sites.service.ts';

type LeavingTask = LeavingView['tasks'][number];

const reasonLengthMax = 500;

/** A site that leaves. */
@Injectable()
export class LeavingService {
  readonly #environment: Environment;
  readonly #sites: SitesService;
  readonly #roster: RosterService;
  readonly #tasks: TaskStore;
  readonly #versions: VersionsService;
  readonly #lineage: TaskLineageService;
  readonly #transitions: RoundTransitionsService;

  constructor(
    environment: Environment,
    sites: SitesService,
    roster: RosterService,
    tasks: TaskStore,
    versions: VersionsService,
    lineage: TaskLineageService,
    transitions: RoundTransitionsService,
  ) {
    this.#environment = environment;
    this.#sites = sites;
    this.#roster = roster;
    this.#tasks = tasks;
    this.#versions = versions;
    this.#lineage = lineage;
    this.#transitions = transitions;
  }

  /** Let a site leave; a repeat finds what is done and does the rest. */
  async leave(site: SiteId, reason: string, isRerun: boolean): Promise<LeavingView> {
    await this.#sites.leave(site, reason);
    const affected = await this.#markAll(site);
    if (isRerun) {
      for (const { task, lastWithout, isRerunDue } of affected) {
        if (!isRerunDue) continue;
        await this.#lineage.rerun(
          task,
          {
            fromVersion: lastWithout,
            reason: `site ${site} left: ${reason}`.slice(0, reasonLengthMax),
          },
          { isRepeatable: true },
        );
      }
    }
    return { site: this.#sites.get(site), tasks: isRerun ? await this.#markAll(site) : affected };
  }

  /** Mark what a crash left unmarked. */
  async resume(): Promise<void> {
    for (const { site, status } of this.#roster.list()) {
      if (status === 'left') await this.#markAll(site);
    }
  }

  async #markAll(site: SiteId): Promise<LeavingTask[]> {
    const affected: LeavingTask[] = [];
    for (const { task, definition } of await this.#tasks.list()) {
      if (!definition.members.includes(site)) continue;
      // No version comes while its task is looked at; one that comes later finds the site gone and is marked then.
      const found = await this.#transitions.exclusively(task, async () =>
        this.#markTask(await this.#tasks.get(task), site),
      );
      if (found !== null) affected.push(found);
    }
    return affected;
  }

  async #markTask(task: TaskRecord, site: SiteId): Promise<LeavingTask | null> {
    const lineage = await this.#versions.lineage(task.task);
    const versions = versionsWith(lineage, site);
    if (versions.length === 0) return null;
    await this.#environment.transactions.run((transaction) =>
      this.#versions.mark(transaction, task.task, versions, site),
    );
    const without = lineage
      .map(({ version }) => version)
      .filter((each) => !versions.includes(each));
    const { promotedVersion, status } = task;
    return {
      task: task.task,
      versions,
      lastWithout: Math.max(...without), // version 0 has nobody's share
      isPromotedAffected: promotedVersion !== null && versions.includes(promotedVersion),
      isRerunDue:
        status !== 'created' && status !== 'cancelled' && versions.includes(nextBaseOf(task)),
    };
  }
}
