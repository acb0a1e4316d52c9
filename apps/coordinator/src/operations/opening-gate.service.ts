/** Whether rounds may open now: not while the coordinator drains, nor while the disk is low. */
import { Injectable } from '@nestjs/common';
import { DiskService } from './disk.service.ts';
import type { OpeningRefusal } from './operations.contract.ts';

/** Whether rounds may open now. */
@Injectable()
export class OpeningGate {
  readonly #disk: DiskService;
  /** Set by the drain; kept here, where nothing else is needed to ask for it. */
  isDraining = false;

  constructor(disk: DiskService) {
    this.#disk = disk;
  }

  /** Say why no round opens now; null where they may. */
  async refusal(): Promise<OpeningRefusal | null> {
    if (this.isDraining) {
      return {
        code: 'DRAINING',
        message: 'the coordinator drains: it finishes the open rounds and opens none',
      };
    }
    const { isLow, freeBytes, reserveBytes } = await this.#disk.look();
    if (!isLow) return null;
    return {
      code: 'DISK_LOW',
      message: `the coordinator's disk has ${freeBytes} bytes free, ${reserveBytes} are kept in reserve`,
    };
  }
}
