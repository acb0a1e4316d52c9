/** Looks now and then for what people should know and no event tells: silent sites, old keys, a low disk. */
import { Injectable } from '@nestjs/common';
import { BackgroundWork } from '../common/background-work.ts';
import { Environment } from '../common/environment.ts';
import { DiskService } from '../operations/disk.service.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { holdingAlerts } from './alert-conditions.ts';
import { AlertsService } from './alerts.service.ts';

const lookIntervalMs = 2000;

/** Looks for what people should know. */
@Injectable()
export class AlertWatchService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #alerts: AlertsService;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;
  readonly #disk: DiskService;
  readonly #startedAtMs: number;

  constructor(
    environment: Environment,
    background: BackgroundWork,
    alerts: AlertsService,
    roster: RosterService,
    connections: ConnectionsService,
    disk: DiskService,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#alerts = alerts;
    this.#roster = roster;
    this.#connections = connections;
    this.#disk = disk;
    this.#startedAtMs = environment.clock.wallTimeMs();
  }

  start(): void {
    this.#background.startEvery('alerts', lookIntervalMs, () => this.look());
  }

  /** Look once. */
  async look(): Promise<void> {
    const { clock, settings } = this.#environment;
    const { siteSilentMs, keyAgeMaxMs } = settings;
    const disk = await this.#disk.look();
    await this.#alerts.follow((held) => {
      const sites = this.#roster
        .list()
        .map((site) => ({ ...site, isConnected: this.#connections.isConnected(site.site) }));
      const nowMs = clock.wallTimeMs();
      const startedAtMs = this.#startedAtMs;
      return holdingAlerts({ nowMs, startedAtMs, sites, disk, siteSilentMs, keyAgeMaxMs }, held);
    });
  }
}
