/** Reads the figures that are states and not counts, each time they are asked for. */
import { performance } from 'node:perf_hooks';
import { Injectable } from '@nestjs/common';
import { count, max } from 'drizzle-orm';
import { protocolVersion, roundPhaseSchema } from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import { packageVersion } from '../common/package-info.ts';
import { keyFileAges } from '../config/data-folder.ts';
import { auditEntries, rounds } from '../config/schema.ts';
import { DiskService } from '../operations/disk.service.ts';
import { OpeningGate } from '../operations/opening-gate.service.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { siteStatusSchema } from '../sites/sites.contract.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { taskStatusSchema } from '../tasks/tasks.contract.ts';
import { UploadStore } from '../uploads/upload-store.ts';
import { AlertStore } from '../webhooks/alert-store.ts';
import { conditionKindSchema } from '../webhooks/webhooks.contract.ts';

/** Count values of a closed list, those that do not occur too. */
function tally<T extends string>(all: readonly T[], found: readonly T[]): ReadonlyMap<T, number> {
  const counts = new Map(all.map((each) => [each, 0]));
  for (const each of found) counts.set(each, (counts.get(each) ?? 0) + 1);
  return counts;
}

/** Reads the figures. */
@Injectable()
export class TelemetryService {
  readonly #environment: Environment;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;
  readonly #tasks: TaskStore;
  readonly #uploads: UploadStore;
  readonly #disk: DiskService;
  readonly #gate: OpeningGate;
  readonly #alerts: AlertStore;
  readonly #mutex = new KeyedMutex();
  #utilization = performance.eventLoopUtilization();

  constructor(
    environment: Environment,
    roster: RosterService,
    connections: ConnectionsService,
    tasks: TaskStore,
    uploads: UploadStore,
    disk: DiskService,
    gate: OpeningGate,
    alerts: AlertStore,
  ) {
    this.#environment = environment;
    this.#roster = roster;
    this.#connections = connections;
    this.#tasks = tasks;
    this.#uploads = uploads;
    this.#disk = disk;
    this.#gate = gate;
    this.#alerts = alerts;
  }

  /** All figures as text; one reading at a time. */
  read(): Promise<{ readonly text: string; readonly mediaType: string }> {
    return this.#mutex.run('', async () => {
      this.#readProcess();
      this.#readSites();
      await this.#orCount(() => this.#readStore());
      await this.#orCount(() => this.#readDisk());
      const { registry } = this.#environment.metrics;
      return { text: await registry.metrics(), mediaType: registry.contentType };
    });
  }

  /** A database or a disk that is away leaves its figures as they were, and is counted. */
  async #orCount(readPart: () => Promise<void>): Promise<void> {
    try {
      await readPart();
    } catch (error) {
      this.#environment.metrics.readingFailures.inc();
      this.#environment.logger.warn('metrics: a part could not be read', {
        event: 'metrics',
        error,
      });
    }
  }

  #readProcess(): void {
    const { metrics, database } = this.#environment;
    const { user, system } = process.cpuUsage();
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(this.#utilization, before);
    metrics.info.set(
      { version: packageVersion, protocol: protocolVersion, database: database.kind },
      1,
    );
    metrics.startTimeSeconds.set(performance.timeOrigin / 1000);
    metrics.cpuSeconds.reset();
    metrics.cpuSeconds.inc((user + system) / 1e6);
    metrics.residentMemoryBytes.set(process.memoryUsage.rss());
    metrics.heapUsedBytes.set(process.memoryUsage().heapUsed);
    metrics.eventLoopUtilization.set(utilization);
    metrics.isDraining.set(this.#gate.isDraining ? 1 : 0);
  }

  #readSites(): void {
    const { metrics, clock } = this.#environment;
    const nowMs = clock.wallTimeMs();
    const sites = this.#roster.list();
    const statuses = sites.map(({ status }) => status);
    for (const [status, found] of tally(siteStatusSchema.options, statuses)) {
      metrics.sites.set({ status }, found);
    }
    metrics.sitesConnected.set(this.#connections.count);
    metrics.heartbeatAgeSeconds.reset(); // a site that is no longer active has no age
    metrics.siteKeyAgeSeconds.reset();
    for (const { site, status, lastSeenAtMs, enrolledAtMs } of sites) {
      if (status !== 'active') continue;
      const heardAtMs = this.#connections.heartbeatOf(site)?.atMs ?? lastSeenAtMs;
      if (heardAtMs !== null) {
        metrics.heartbeatAgeSeconds.set({ site }, Math.max(0, nowMs - heardAtMs) / 1000);
      }
      if (enrolledAtMs !== null) {
        metrics.siteKeyAgeSeconds.set({ site }, Math.max(0, nowMs - enrolledAtMs) / 1000);
      }
    }
  }

  async #readStore(): Promise<void> {
    const { metrics, queries } = this.#environment;
    const statuses = (await this.#tasks.list()).map(({ status }) => status);
    for (const [status, found] of tally(taskStatusSchema.options, statuses)) {
      metrics.tasks.set({ status }, found);
    }
    const phases = await queries
      .select({ phase: rounds.phase, found: count() })
      .from(rounds)
      .groupBy(rounds.phase);
    for (const phase of roundPhaseSchema.options) {
      metrics.rounds.set({ phase }, phases.find((each) => each.phase === phase)?.found ?? 0);
    }
    const [chain] = await queries.select({ length: max(auditEntries.sequence) }).from(auditEntries);
    metrics.auditEntries.set(chain?.length ?? 0);
    const kinds = (await this.#alerts.list()).map(({ kind }) => kind);
    for (const [kind, found] of tally(conditionKindSchema.options, kinds)) {
      metrics.openAlerts.set({ kind }, found);
    }
    const kept = await this.#uploads.keptBytes();
    metrics.uploadsKeptBytes.set([...kept.values()].reduce((sum, bytes) => sum + bytes, 0));
  }

  async #readDisk(): Promise<void> {
    const { metrics, folder, clock } = this.#environment;
    const { freeBytes, reserveBytes } = await this.#disk.look();
    metrics.diskFreeBytes.set(freeBytes);
    metrics.diskReserveBytes.set(reserveBytes);
    for (const { key, ageMs } of await keyFileAges(folder, clock.wallTimeMs())) {
      metrics.keyAgeSeconds.set({ key }, ageMs / 1000);
    }
  }
}
