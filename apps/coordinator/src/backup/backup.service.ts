/** Backups of the running coordinator: one at a time; rounds, uploads and retention go on meanwhile. */
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { StateError } from '#core/errors';
import { AuditChainService } from '../audit/audit-chain.service.ts';
import { AuditService } from '../audit/audit.service.ts';
import { Environment } from '../common/environment.ts';
import { RetentionService } from '../uploads/retention.service.ts';
import { writeArchive } from './archive.ts';
import { takeSnapshot, type Snapshot } from './snapshot.ts';
import type { Pieces } from './tar.ts';

/** A reader that takes nothing for so long is gone: what a backup keeps of ended rounds is let go. */
const stallTimeoutMs = 60_000;

/** Backups of the running coordinator. */
@Injectable()
export class BackupService implements BeforeApplicationShutdown {
  readonly #environment: Environment;
  readonly #audit: AuditService;
  readonly #chain: AuditChainService;
  readonly #retention: RetentionService;
  #isUnderWay = false;
  #stream: Readable | null = null;
  /** Settles once nothing is left of the backup before. */
  #cleaned: Promise<void> = Promise.resolve();

  constructor(
    environment: Environment,
    audit: AuditService,
    chain: AuditChainService,
    retention: RetentionService,
  ) {
    this.#environment = environment;
    this.#audit = audit;
    this.#chain = chain;
    this.#retention = retention;
  }

  /**
   * Take a snapshot and return the archive of it as a stream.
   *
   * @throws StateError STATE_CONFLICT where another backup is under way, UnavailableError DISK_LOW
   */
  async begin(): Promise<Readable> {
    if (this.#isUnderWay) {
      throw new StateError(
        'STATE_CONFLICT',
        'backup: expected no other one under way, there is one; wait for its end',
      );
    }
    this.#isUnderWay = true;
    try {
      await this.#cleaned;
      const stream = this.#send(await this.#snapshot());
      this.#stream = stream;
      return stream;
    } catch (error) {
      this.#isUnderWay = false;
      throw error;
    }
  }

  /** End what is under way: its file lacks the signature, so nobody takes it for a backup. */
  beforeApplicationShutdown(): void {
    this.#stream?.destroy(new Error('the coordinator stops'));
  }

  async #snapshot(): Promise<Snapshot> {
    const { database, folder, keys, federation, clock, freeBytes, logger } = this.#environment;
    await this.#audit.record({
      actor: 'administrator',
      action: 'coordinator.backed-up',
      target: 'coordinator',
    });
    // What is chained cannot be chained in another order after a restore.
    await this.#chain.chainAll();
    const nowMs = clock.wallTimeMs();
    const snapshot = await this.#retention.withoutErasing(() =>
      takeSnapshot({ database, folder, keys, federation, nowMs, freeBytes }),
    );
    logger.info('backup begun', { event: 'backup-begun', durationMs: clock.wallTimeMs() - nowMs });
    return snapshot;
  }

  #send(snapshot: Snapshot): Readable {
    const { keys, logger } = this.#environment;
    const pieces = writeArchive(snapshot, keys.signing.secretKey);
    let lastTakenMs = performance.now();
    const stream = Readable.from(
      onEach(pieces, () => {
        lastTakenMs = performance.now();
      }),
      { objectMode: false },
    );
    const watch = setInterval(() => {
      if (performance.now() - lastTakenMs < stallTimeoutMs) return;
      stream.destroy(new Error('nobody takes the backup any more'));
    }, stallTimeoutMs / 4).unref();
    stream.once('error', (error) => {
      logger.error('backup broken off', { event: 'backup-broken-off', error });
    });
    let isOver = false;
    const end = (): void => {
      if (!isOver) this.#isUnderWay = false;
      isOver = true;
    };
    // Before whoever reads it sees its end, so that the next one can be asked for at once.
    stream.once('end', end);
    this.#cleaned = new Promise((done) => {
      stream.once('close', () => {
        clearInterval(watch);
        this.#stream = null;
        end();
        void rm(snapshot.folder, { recursive: true, force: true })
          .catch((error: unknown) => {
            logger.warn('what a backup left stays', { event: 'backup-ended', error });
          })
          .finally(done);
      });
    });
    return stream;
  }
}

async function* onEach(pieces: Pieces, tell: () => void): Pieces {
  for await (const piece of pieces) {
    tell();
    yield piece;
  }
}
