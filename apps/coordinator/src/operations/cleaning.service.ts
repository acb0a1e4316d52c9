/**
 * What nobody needs any more: rows whose time is over, now and then; files that no row names, at the start, since a crash or a
 * failure between a file and its row leaves them.
 */
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { and, eq, isNotNull, lte, or } from 'drizzle-orm';
import { BackgroundWork } from '../common/background-work.ts';
import { forgetKeys } from '../common/command-keys.ts';
import { Environment } from '../common/environment.ts';
import { blobColumns } from '../config/blob-columns.ts';
import { administratorTokens, apiTokens, invitations, rounds, uploads } from '../config/schema.ts';
import { BlobStore } from '../registry/blob-store.ts';
import { DeliveryStore } from '../webhooks/delivery-store.ts';

const intervalMs = 3_600_000;
const digestPattern = /^[0-9a-f]{64}$/;

/** What nobody needs any more. */
@Injectable()
export class CleaningService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #blobs: BlobStore;
  readonly #deliveries: DeliveryStore;

  constructor(
    environment: Environment,
    background: BackgroundWork,
    blobs: BlobStore,
    deliveries: DeliveryStore,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#blobs = blobs;
    this.#deliveries = deliveries;
  }

  /** Clean before anything else writes, then the rows now and then; what fails waits for its next turn. */
  async start(): Promise<void> {
    const { logger } = this.#environment;
    try {
      await this.removeUnnamed();
      await this.forgetExpired();
    } catch (error) {
      logger.warn('what nobody needs any more could not be removed', { event: 'clean', error });
    }
    this.#background.startEvery('clean', intervalMs, () => this.forgetExpired());
  }

  /** Forget rows whose time is over: answers to commands, enrolment codes, tokens of people, old deliveries. */
  async forgetExpired(): Promise<void> {
    const { queries, clock } = this.#environment;
    const nowMs = clock.wallTimeMs();
    await forgetKeys(this.#environment);
    await queries.delete(invitations).where(lte(invitations.expiresAtMs, nowMs));
    await queries.delete(administratorTokens).where(lte(administratorTokens.expiresAtMs, nowMs));
    await queries.delete(apiTokens).where(lte(apiTokens.expiresAtMs, nowMs));
    await this.#deliveries.clean();
  }

  /** Remove blobs and uploads that no row names; only while nothing else writes. */
  async removeUnnamed(): Promise<void> {
    const { files, folder, logger } = this.#environment;
    const stored = await this.#blobs.list();
    const named = await this.#namedBlobs();
    // Not one of them known: this is the database of another folder, or an empty one by mistake.
    if (!stored.some((digest) => named.has(digest))) return;
    const blobs = stored.filter((digest) => !named.has(digest));
    for (const digest of blobs) await files.remove(this.#blobs.path(digest));
    const kept = await this.#keptUploads();
    const present = (await files.list(folder.uploads)).filter((name) => digestPattern.test(name));
    const left = present.filter((uploadId) => !kept.has(uploadId));
    for (const uploadId of left) await files.remove(join(folder.uploads, uploadId));
    const count = blobs.length + left.length;
    if (count > 0) logger.info('files that no row names are removed', { event: 'clean', count });
  }

  async #namedBlobs(): Promise<ReadonlySet<string>> {
    const named = new Set<string>();
    for (const { table, column } of blobColumns) {
      const rows = await this.#environment.queries.select({ digest: column }).from(table);
      for (const { digest } of rows) if (typeof digest === 'string') named.add(digest);
    }
    return named;
  }

  /** Uploads whose round still has its key (the retention of the others has ended), and baselines' adapters on their way. */
  async #keptUploads(): Promise<ReadonlySet<string>> {
    const rows = await this.#environment.queries
      .select({ uploadId: uploads.uploadId })
      .from(uploads)
      .leftJoin(rounds, eq(rounds.id, uploads.roundId))
      .where(
        or(
          isNotNull(rounds.wrappedSecretKey),
          and(isNotNull(uploads.request), eq(uploads.status, 'open')),
        ),
      );
    return new Set(rows.map(({ uploadId }) => uploadId));
  }
}
