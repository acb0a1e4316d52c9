/** Room on the disk: looked at before it runs out, so that a round never meets a full one. */
import { Injectable } from '@nestjs/common';
import { UnavailableError } from '#core/errors';
import { isMemberSettled } from '#core/protocol';
import { BackgroundWork } from '../common/background-work.ts';
import { Environment } from '../common/environment.ts';
import { RoundStore } from '../rounds/round-store.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { updateBytesMax } from '../uploads/update-size.ts';
import type { DiskView } from './operations.contract.ts';

const lookIntervalMs = 2000;
/** What is kept free at least: the database writes too, and so does everything else on the machine. */
const reserveBytesMin = 512 * 1024 * 1024;

/** Room on the disk. */
@Injectable()
export class DiskService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #rounds: RoundStore;
  readonly #tasks: TaskStore;
  #isLow = false;
  /** Set while something may wait for room: whoever looks first sees that it is there, the timer tells. */
  #isRoomAwaited = false;

  constructor(
    environment: Environment,
    background: BackgroundWork,
    rounds: RoundStore,
    tasks: TaskStore,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#rounds = rounds;
    this.#tasks = tasks;
  }

  /** Look now and then; `onRoom` hears when there is room again. */
  start(onRoom: () => Promise<void>): void {
    this.#background.startEvery('disk', lookIntervalMs, async () => {
      if ((await this.look()).isLow || !this.#isRoomAwaited) return;
      this.#isRoomAwaited = false;
      await onRoom();
    });
  }

  /** Look at the disk; a change from enough to little or back is logged with the bytes. */
  async look(): Promise<DiskView> {
    const { logger, folder } = this.#environment;
    const [freeBytes, reserveBytes] = await Promise.all([
      this.#environment.freeBytes(folder.path),
      this.#reserveBytes(),
    ]);
    const isLow = freeBytes < reserveBytes;
    if (isLow && !this.#isLow) {
      logger.error('ALERT: the disk is low: no round opens and no new upload is taken', {
        event: 'disk-low',
        code: 'DISK_LOW',
        freeBytes,
        reserveBytes,
      });
    }
    if (!isLow && this.#isLow) {
      logger.info('the disk has room again', { event: 'disk-room', freeBytes, reserveBytes });
    }
    this.#isLow = isLow;
    this.#isRoomAwaited ||= isLow;
    return { freeBytes, reserveBytes, isLow };
  }

  /**
   * Check that there is room for something new.
   *
   * @throws UnavailableError DISK_LOW, which passes: who asked keeps what it has and comes back
   */
  async check(what: string): Promise<void> {
    const { freeBytes, reserveBytes, isLow } = await this.look();
    if (!isLow) return;
    throw new UnavailableError(
      'DISK_LOW',
      `${what}: expected at least ${reserveBytes} bytes free on the coordinator's disk, there are ${freeBytes}; free some or lower --disk-reserve-mb, the work goes on by itself`,
      { freeBytes, reserveBytes },
    );
  }

  /** What the operator says, or what the open rounds can still bring, but never too little. */
  async #reserveBytes(): Promise<number> {
    const { diskReserveBytes } = this.#environment.settings;
    if (diskReserveBytes !== null) return diskReserveBytes;
    let awaitedBytes = 0;
    for (const round of await this.#rounds.unsettled()) {
      const shape = this.#tasks.shape(await this.#tasks.definition(round.task));
      const awaited = round.state.members.filter((member) => !isMemberSettled(member)).length;
      awaitedBytes += (awaited + 1) * updateBytesMax(shape); // and the version that is made of them
    }
    return Math.max(reserveBytesMin, awaitedBytes);
  }
}
