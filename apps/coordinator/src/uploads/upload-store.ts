/** Uploads: one file each, written range by range; a row for every range that is durable. */
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { and, asc, eq, inArray, sum } from 'drizzle-orm';
import { z } from 'zod';
import type { SignedEnvelope } from '#core/crypto';
import { decodePayload, digestSchema, manifestSchema, siteIdSchema } from '#core/protocol';
import { onDisk, syncFolder, systemErrorCode } from '../common/durable-files.ts';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { uploadRanges, uploads } from '../config/schema.ts';
import type { SealedUpdate } from '../rounds/adapter-work.ts';

const uploadRowSchema = z.object({
  uploadId: digestSchema,
  roundId: z.number().int(),
  site: siteIdSchema,
  bytes: z.number().int(),
  samples: z.number().int(),
  trainingLoss: z.number(),
  manifestPayload: z.instanceof(Uint8Array),
  manifestSignature: z.instanceof(Uint8Array),
  status: z.enum(['open', 'committed', 'rejected']),
  rejectionCode: z.string().nullable(),
  rejectionMessage: z.string().nullable(),
});
/** One upload as it is stored. */
export type UploadRecord = z.infer<typeof uploadRowSchema>;

/** Uploads as files and rows. */
@Injectable()
export class UploadStore {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Where an upload's file lies; its name is a digest, never anything a site chose. */
  path(uploadId: string): string {
    return join(this.#environment.folder.uploads, digestSchema.parse(uploadId));
  }

  async find(uploadId: string): Promise<UploadRecord | null> {
    const rows = await this.#environment.queries
      .select()
      .from(uploads)
      .where(eq(uploads.uploadId, uploadId));
    return rows[0] === undefined ? null : uploadRowSchema.parse(rows[0]);
  }

  /** Uploads of an attempt in ascending order of their sites. */
  async ofRound(roundId: number): Promise<UploadRecord[]> {
    const rows = await this.#environment.queries
      .select()
      .from(uploads)
      .where(eq(uploads.roundId, roundId))
      .orderBy(asc(uploads.site));
    return rows.map((row) => uploadRowSchema.parse(row));
  }

  /** Bytes that are durable, by upload. */
  async receivedBytes(uploadIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (uploadIds.length === 0) return new Map();
    const rows = await this.#environment.queries
      .select({ uploadId: uploadRanges.uploadId, bytes: sum(uploadRanges.bytes) })
      .from(uploadRanges)
      .where(inArray(uploadRanges.uploadId, [...uploadIds]))
      .groupBy(uploadRanges.uploadId);
    return new Map(rows.map(({ uploadId, bytes }) => [uploadId, Number(bytes ?? 0)]));
  }

  /** Store a new upload within the transaction of the event `upload-begun`. */
  async insert(
    transaction: Queries,
    upload: {
      readonly uploadId: string;
      readonly roundId: number;
      readonly site: string;
      readonly bytes: number;
      readonly samples: number;
      readonly trainingLoss: number;
      readonly manifest: SignedEnvelope;
    },
  ): Promise<void> {
    const { manifest, ...rest } = upload;
    await transaction.insert(uploads).values({
      ...rest,
      manifestPayload: manifest.payload,
      manifestSignature: manifest.signature,
      status: 'open',
      createdAtMs: this.#environment.clock.wallTimeMs(),
    });
  }

  /** Record how an upload ended. */
  async settle(
    queries: Queries,
    uploadId: string,
    outcome:
      | { readonly status: 'committed' }
      | {
          readonly status: 'rejected';
          readonly rejectionCode: string;
          readonly rejectionMessage: string;
        },
  ): Promise<void> {
    await queries.update(uploads).set(outcome).where(eq(uploads.uploadId, uploadId));
  }

  /** Indices and digests of the ranges that are durable, in order. */
  async ranges(uploadId: string): Promise<readonly { index: number; digest: string }[]> {
    return this.#environment.queries
      .select({ index: uploadRanges.index, digest: uploadRanges.digest })
      .from(uploadRanges)
      .where(eq(uploadRanges.uploadId, uploadId))
      .orderBy(asc(uploadRanges.index));
  }

  /** Find the digest of one range that is durable. */
  async rangeDigest(uploadId: string, index: number): Promise<string | null> {
    const rows = await this.#environment.queries
      .select({ digest: uploadRanges.digest })
      .from(uploadRanges)
      .where(and(eq(uploadRanges.uploadId, uploadId), eq(uploadRanges.index, index)));
    return rows[0]?.digest ?? null;
  }

  /** Write a range and return once it is durable: bytes first, then the row that says so. */
  async writeRange(range: {
    readonly uploadId: string;
    readonly index: number;
    readonly offset: number;
    readonly bytes: Uint8Array;
    readonly digest: string;
  }): Promise<void> {
    const { uploadId, index, digest, bytes } = range;
    const path = this.path(uploadId);
    await onDisk('upload', async () => {
      const isNew = await isMissing(path);
      const handle = await open(path, isNew ? 'wx' : 'r+', 0o600);
      try {
        for (let written = 0; written < bytes.length;) {
          const { bytesWritten } = await handle.write(
            bytes,
            written,
            bytes.length - written,
            range.offset + written,
          );
          written += bytesWritten;
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
      if (isNew) await syncFolder(this.#environment.folder.uploads);
    });
    await this.#environment.queries
      .insert(uploadRanges)
      .values({ uploadId, index, digest, bytes: bytes.length });
  }

  /** Forget the ranges of an upload whose bytes are not the declared ones: it can be sent again. */
  async discardRanges(uploadId: string): Promise<void> {
    await this.#environment.queries.delete(uploadRanges).where(eq(uploadRanges.uploadId, uploadId));
    await rm(this.path(uploadId), { force: true });
  }

  /** Erase the files of an attempt's uploads; the rows with the signed manifests stay. */
  async eraseFiles(roundId: number): Promise<void> {
    for (const { uploadId } of await this.ofRound(roundId)) {
      await rm(this.path(uploadId), { force: true });
    }
    await syncFolder(this.#environment.folder.uploads);
  }

  /** What the heavy work needs to know of a sealed update. */
  sealedUpdate(upload: UploadRecord): SealedUpdate {
    const manifest = decodePayload(manifestSchema, upload.manifestPayload, 'stored manifest');
    return {
      path: this.path(upload.uploadId),
      site: upload.site,
      ciphertextDigest: upload.uploadId,
      ciphertextBytes: upload.bytes,
      ephemeralPublicKey: manifest.ephemeralPublicKey,
    };
  }
}

async function isMissing(path: string): Promise<boolean> {
  try {
    await stat(path);
    return false;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return true;
    throw error;
  }
}
