/** Whether a new upload is taken: room on the disk, quotas, a drain, a key that can still open it. */
import { Injectable } from '@nestjs/common';
import { InputError, StateError, UnavailableError } from '#core/errors';
import { isRoundSettled, type SiteId } from '#core/protocol';
import { BoundedMap } from '../common/bounded-map.ts';
import { Environment } from '../common/environment.ts';
import { DiskService } from '../operations/disk.service.ts';
import { OpeningGate } from '../operations/opening-gate.service.ts';
import type { DrainView } from '../operations/operations.contract.ts';
import type { RoundRecord } from '../rounds/round-store.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { UploadStore } from './upload-store.ts';

/** An upload that was silent for so long is not awaited: its site has it still. */
const quietMs = 60_000;
const activitiesMax = 1024;

/** Whether a new upload is taken. */
@Injectable()
export class UploadAdmission {
  readonly #environment: Environment;
  readonly #store: UploadStore;
  readonly #disk: DiskService;
  readonly #gate: OpeningGate;
  readonly #connections: ConnectionsService;
  /** Monotonic time at which an upload was last heard of. */
  readonly #activities = new BoundedMap<string, number>(activitiesMax);

  constructor(
    environment: Environment,
    store: UploadStore,
    disk: DiskService,
    gate: OpeningGate,
    connections: ConnectionsService,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#disk = disk;
    this.#gate = gate;
    this.#connections = connections;
  }

  /** Remember that an upload was heard of just now. */
  noteActivity(uploadId: string): void {
    this.#activities.set(uploadId, this.#environment.clock.monotonicTimeMs());
  }

  /**
   * Check that a new upload can be taken; all but the erased key pass with time, so the site keeps its update.
   *
   * @throws StateError ROUND_CLOSED, UnavailableError DRAINING or DISK_LOW, InputError QUOTA_EXCEEDED
   */
  async check(site: SiteId, bytes: number, round: RoundRecord): Promise<void> {
    const isSettled = isRoundSettled(round.state);
    if (isSettled && round.wrappedSecretKey === null) {
      throw new StateError(
        'ROUND_CLOSED',
        `round ${round.round} of ${round.task}: its key was erased when its retention ended, an update can no longer be opened; drop it`,
        { task: round.task, round: round.round },
      );
    }
    if (isSettled && this.#gate.isDraining) {
      throw new UnavailableError(
        'DRAINING',
        'upload:begin: expected no new late update while the coordinator drains; it takes them after its next start',
      );
    }
    await this.checkRoom(site, bytes);
  }

  /**
   * Check that there is room for a new upload, of a round or not.
   *
   * @throws UnavailableError DISK_LOW, InputError QUOTA_EXCEEDED
   */
  async checkRoom(site: SiteId, bytes: number): Promise<void> {
    await this.#disk.check('upload:begin');
    await this.#checkQuotas(site, bytes);
  }

  async #checkQuotas(site: SiteId, bytes: number): Promise<void> {
    const { uploadsQuotaBytes, siteUploadsQuotaBytes } = this.#environment.settings;
    if (uploadsQuotaBytes === null && siteUploadsQuotaBytes === null) return;
    const kept = await this.#store.keptBytes();
    const all = [...kept.values()].reduce((sum, each) => sum + each, 0);
    refuseOver('all sites', '--uploads-quota-mb', all + bytes, uploadsQuotaBytes);
    const own = (kept.get(site) ?? 0) + bytes;
    refuseOver(`site ${site}`, '--site-uploads-quota-mb', own, siteUploadsQuotaBytes);
  }

  /** Late uploads that are coming in at this time. */
  async lateUploads(): Promise<DrainView['lateUploads']> {
    const nowMs = this.#environment.clock.monotonicTimeMs();
    const late = await this.#store.openAfterTheEnd();
    return late
      .filter(
        ({ uploadId, site }) =>
          this.#connections.isConnected(site) &&
          nowMs - (this.#activities.get(uploadId) ?? -Infinity) < quietMs,
      )
      .map(({ site, task, round }) => ({ site, task, round }));
  }
}

function refuseOver(who: string, option: string, bytes: number, quotaBytes: number | null): void {
  if (quotaBytes === null || bytes <= quotaBytes) return;
  throw new InputError(
    'QUOTA_EXCEEDED',
    `uploads of ${who}: expected ${quotaBytes} bytes stored at most, this one would make ${bytes}; wait for the retention of settled rounds to end, or have the operator shorten it (--retention-days) or raise the quota (${option})`,
    { bytes, quotaBytes },
  );
}
