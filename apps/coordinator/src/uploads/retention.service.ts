/** The end of retention: a settled round's uploads and its secret key are erased together, and adapters that sites trained alone. */
import { Injectable } from '@nestjs/common';
import { BackgroundWork } from '../common/background-work.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import { LocalAdaptersService } from '../evaluation/local-adapters.service.ts';
import { RoundStore } from '../rounds/round-store.ts';
import { UploadStore } from './upload-store.ts';

const lookIntervalMs = 60_000;

/** The end of retention. */
@Injectable()
export class RetentionService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #rounds: RoundStore;
  readonly #uploads: UploadStore;
  readonly #localAdapters: LocalAdaptersService;
  readonly #mutex = new KeyedMutex();

  constructor(
    environment: Environment,
    background: BackgroundWork,
    rounds: RoundStore,
    uploads: UploadStore,
    localAdapters: LocalAdaptersService,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#rounds = rounds;
    this.#uploads = uploads;
    this.#localAdapters = localAdapters;
  }

  /** Look now and then for rounds whose retention has ended; every second where it is "at once". */
  start(): void {
    const intervalMs = this.#environment.settings.retentionMs === 0 ? 1000 : lookIntervalMs;
    this.#background.start('retention', () => this.eraseDue());
    this.#background.startEvery('retention', intervalMs, () => this.eraseDue());
  }

  /** Do something while nothing is erased. */
  withoutErasing<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run('retention', work);
  }

  /** Erase what is due: the files first, since the key alone says that they may still be there. */
  eraseDue(): Promise<void> {
    return this.withoutErasing(() => this.#eraseDue());
  }

  async #eraseDue(): Promise<void> {
    const { clock, settings, logger, crashPoints } = this.#environment;
    for (const round of await this.#rounds.retained(clock.wallTimeMs() - settings.retentionMs)) {
      await this.#uploads.eraseFiles(round.id);
      crashPoints.reach('coordinator.retention-files-erased');
      await this.#rounds.eraseSecretKey(round.id);
      logger.info('uploads and round key erased', {
        task: round.task,
        round: round.round,
        attempt: round.attempt,
      });
    }
    await this.#localAdapters.eraseDue(clock.wallTimeMs() - settings.retentionMs);
  }
}
