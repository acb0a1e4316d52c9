/** REST of operations. */
import { Controller } from '@nestjs/common';
import type { RouteOutput } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { Route } from '../common/route.ts';
import { UploadStore } from '../uploads/upload-store.ts';
import { DiskService } from './disk.service.ts';
import { DrainService } from './drain.service.ts';
import { operationsRoutes, type DrainView } from './operations.contract.ts';

@Controller()
export class OperationsController {
  readonly #environment: Environment;
  readonly #drain: DrainService;
  readonly #disk: DiskService;
  readonly #uploads: UploadStore;

  constructor(
    environment: Environment,
    drain: DrainService,
    disk: DiskService,
    uploads: UploadStore,
  ) {
    this.#environment = environment;
    this.#drain = drain;
    this.#disk = disk;
    this.#uploads = uploads;
  }

  @Route(operationsRoutes.status)
  async status(): Promise<RouteOutput<typeof operationsRoutes.status>> {
    const { retentionMs, uploadsQuotaBytes, siteUploadsQuotaBytes } = this.#environment.settings;
    const kept = await this.#uploads.keptBytes();
    return {
      drain: await this.#drain.view(),
      disk: await this.#disk.look(),
      retentionMs,
      uploads: {
        bytes: [...kept.values()].reduce((sum, bytes) => sum + bytes, 0),
        quotaBytes: uploadsQuotaBytes,
        siteQuotaBytes: siteUploadsQuotaBytes,
        sites: [...kept].map(([site, bytes]) => ({ site, bytes })),
      },
    };
  }

  @Route(operationsRoutes.drainView)
  drainView(): Promise<DrainView> {
    return this.#drain.view();
  }

  @Route(operationsRoutes.drain)
  drain(): Promise<DrainView> {
    return this.#drain.begin();
  }

  @Route(operationsRoutes.cancelDrain)
  cancelDrain(): Promise<DrainView> {
    return this.#drain.cancel();
  }
}
