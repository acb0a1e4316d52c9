/**
 * Uploads: one file each, written range by range; a row for every range that is durable.
 *
 * Those that ranges come in for are held in memory as well. Whoever changes an upload runs alone for that upload.
 */
import { constants } from 'node:fs';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { and, asc, eq, inArray, isNotNull, or, sum } from 'drizzle-orm';
import { z } from 'zod';
import type { SignedEnvelope } from '#core/crypto';
import {
  baselineManifestSchema,
  decodePayload,
  digestSchema,
  manifestSchema,
  roundNumberSchema,
  siteIdSchema,
  taskIdSchema,
  type SiteId,
} from '#core/protocol';
import { BoundedMap } from '../common/bounded-map.ts';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { rounds, uploadRanges, uploads } from '../config/schema.ts';
import type { SealedUpdate } from '../rounds/adapter-work.ts';

const uploadRowSchema = z.object({
  uploadId: digestSchema,
  roundId: z.number().int().nullable(),
  request: z.string().nullable(),
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

const lateUploadSchema = z.object({
  uploadId: digestSchema,
  site: siteIdSchema,
  task: taskIdSchema,
  round: roundNumberSchema,
});
/** An upload that goes on after its round's end. */
export type LateUpload = z.infer<typeof lateUploadSchema>;

/** How far an upload is. */
export interface UploadProgress {
  readonly site: string;
  /** As its manifest declares them. */
  readonly bytes: number;
  readonly bytesReceived: number;
  readonly trainingLoss: number;
}

/** How an upload ended. */
export type UploadOutcome =
  | { readonly status: 'committed' }
  | {
      readonly status: 'rejected';
      readonly rejectionCode: string;
      readonly rejectionMessage: string;
    };

/** Digests of the durable ranges of an upload, by index. */
export type UploadRanges = ReadonlyMap<number, string>;

interface HeldUpload {
  readonly record: UploadRecord;
  /** Null where they were not read yet. */
  ranges: Map<number, string> | null;
}

/** A baseline's adapter lies in its upload only until it is committed. */
const isOpenBaseline = and(isNotNull(uploads.request), eq(uploads.status, 'open'));

/** Uploads held at most; any other is read when it is asked for. */
const heldMax = 256;

/** Uploads as files and rows. */
@Injectable()
export class UploadStore {
  readonly #environment: Environment;
  readonly #held = new BoundedMap<string, HeldUpload>(heldMax);

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Where an upload's file lies; its name is a digest, never anything a site chose. */
  path(uploadId: string): string {
    return join(this.#environment.folder.uploads, digestSchema.parse(uploadId));
  }

  async find(uploadId: string): Promise<UploadRecord | null> {
    return (await this.#hold(uploadId))?.record ?? null;
  }

  async #hold(uploadId: string): Promise<HeldUpload | null> {
    const held = this.#held.get(uploadId);
    if (held !== undefined) return held;
    const rows = await this.#environment.queries
      .select()
      .from(uploads)
      .where(eq(uploads.uploadId, uploadId));
    if (rows[0] === undefined) return null;
    const read = { record: uploadRowSchema.parse(rows[0]), ranges: null };
    this.#held.set(uploadId, read);
    return read;
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

  /** How far the uploads of some attempts are, by attempt, in one statement. */
  async progressOf(roundIds: readonly number[]): Promise<ReadonlyMap<number, UploadProgress[]>> {
    const found = new Map<number, UploadProgress[]>(roundIds.map((id) => [id, []]));
    if (roundIds.length === 0) return found;
    const { roundId, site, bytes, trainingLoss } = uploads;
    const rows = await this.#environment.queries
      .select({ roundId, site, bytes, trainingLoss, received: sum(uploadRanges.bytes) })
      .from(uploads)
      .leftJoin(uploadRanges, eq(uploadRanges.uploadId, uploads.uploadId))
      .where(inArray(roundId, [...roundIds]))
      .groupBy(uploads.uploadId);
    for (const { received, roundId: id, ...row } of rows) {
      if (id === null) continue; // an adapter that a site trained alone belongs to no round
      found.get(id)?.push({ ...row, bytesReceived: Number(received ?? 0) });
    }
    return found;
  }

  /** Bytes of the uploads whose files are kept still, by site, as their manifests declare them. */
  async keptBytes(): Promise<ReadonlyMap<SiteId, number>> {
    const rows = await this.#environment.queries
      .select({ site: uploads.site, bytes: sum(uploads.bytes) })
      .from(uploads)
      .leftJoin(rounds, eq(rounds.id, uploads.roundId))
      .where(or(isNotNull(rounds.wrappedSecretKey), isOpenBaseline))
      .groupBy(uploads.site)
      .orderBy(asc(uploads.site));
    return new Map(rows.map(({ site, bytes }) => [siteIdSchema.parse(site), Number(bytes ?? 0)]));
  }

  /** Uploads that have begun and not ended, of rounds that have settled. */
  async openAfterTheEnd(): Promise<LateUpload[]> {
    const rows = await this.#environment.queries
      .select({
        uploadId: uploads.uploadId,
        site: uploads.site,
        task: rounds.task,
        round: rounds.round,
      })
      .from(uploads)
      .innerJoin(rounds, eq(rounds.id, uploads.roundId))
      .where(
        and(
          eq(uploads.status, 'open'),
          isNotNull(rounds.settledAtMs),
          isNotNull(rounds.wrappedSecretKey),
        ),
      );
    return rows.map((row) => lateUploadSchema.parse(row));
  }

  /** Store a new upload within a transaction: of a round, or of a baseline's adapter. */
  async insert(
    transaction: Queries,
    upload: {
      readonly uploadId: string;
      readonly roundId: number | null;
      readonly request: string | null;
      readonly site: string;
      readonly bytes: number;
      readonly samples: number;
      readonly trainingLoss: number;
      readonly manifest: SignedEnvelope;
    },
  ): Promise<void> {
    const { manifest, ...rest } = upload;
    const rows = await transaction
      .insert(uploads)
      .values({
        ...rest,
        manifestPayload: manifest.payload,
        manifestSignature: manifest.signature,
        status: 'open',
        createdAtMs: this.#environment.clock.wallTimeMs(),
      })
      .returning();
    const record = uploadRowSchema.parse(rows[0]);
    this.#environment.transactions.whenEnded(transaction, (end) => {
      if (end === 'committed') this.#held.set(record.uploadId, { record, ranges: new Map() });
    });
  }

  /** Record how an upload ended, within a transaction. */
  async settle(transaction: Queries, uploadId: string, outcome: UploadOutcome): Promise<void> {
    this.#environment.transactions.whenEnded(transaction, () => {
      this.#held.delete(uploadId);
    });
    await transaction.update(uploads).set(outcome).where(eq(uploads.uploadId, uploadId));
  }

  /** The ranges that are durable, in ascending order. */
  async ranges(uploadId: string): Promise<UploadRanges> {
    const held = await this.#hold(uploadId);
    if (held !== null && held.ranges !== null) return held.ranges;
    const rows = await this.#environment.queries
      .select({ index: uploadRanges.index, digest: uploadRanges.digest })
      .from(uploadRanges)
      .where(eq(uploadRanges.uploadId, uploadId))
      .orderBy(asc(uploadRanges.index));
    const ranges = new Map(rows.map(({ index, digest }) => [index, digest]));
    if (held !== null) held.ranges = ranges;
    return ranges;
  }

  /** Write a range and return once it is durable: bytes first, then the row that says so. */
  async writeRange(range: {
    readonly uploadId: string;
    readonly index: number;
    readonly offset: number;
    readonly bytes: Uint8Array;
    readonly digest: string;
  }): Promise<void> {
    const { uploadId, index, digest, bytes, offset } = range;
    const { crashPoints, files, folder } = this.#environment;
    const ranges = await this.ranges(uploadId);
    const flags = constants.O_RDWR | constants.O_CREAT;
    await files.use(this.path(uploadId), flags, 0o600, async (file) => {
      await file.write(bytes, offset);
      crashPoints.reach('coordinator.range-written');
      await file.sync();
    });
    // The file's name is durable since its first range.
    if (ranges.size === 0) await files.syncFolder(folder.uploads);
    crashPoints.reach('coordinator.range-synced');
    try {
      await this.#environment.queries
        .insert(uploadRanges)
        .values({ uploadId, index, digest, bytes: bytes.length });
    } catch (error) {
      this.#held.delete(uploadId); // whether the row is there, the database knows
      throw error;
    }
    this.#held.get(uploadId)?.ranges?.set(index, digest);
    crashPoints.reach('coordinator.range-stored');
  }

  /** Forget the ranges of an upload whose bytes are not the declared ones: it can be sent again. */
  async discardRanges(uploadId: string): Promise<void> {
    this.#held.delete(uploadId);
    await this.#environment.queries.delete(uploadRanges).where(eq(uploadRanges.uploadId, uploadId));
    await this.#environment.files.remove(this.path(uploadId));
  }

  /** Erase the files of an attempt's uploads; the rows with the signed manifests stay. */
  async eraseFiles(roundId: number): Promise<void> {
    const { files, folder } = this.#environment;
    for (const { uploadId } of await this.ofRound(roundId)) {
      await files.remove(this.path(uploadId));
    }
    await files.syncFolder(folder.uploads);
  }

  /** Open uploads that a request asked for, of one site or of all. */
  async openOfRequest(request: string, site?: string): Promise<UploadRecord[]> {
    const rows = await this.#environment.queries
      .select()
      .from(uploads)
      .where(
        and(
          eq(uploads.request, request),
          eq(uploads.status, 'open'),
          site === undefined ? undefined : eq(uploads.site, site),
        ),
      );
    return rows.map((row) => uploadRowSchema.parse(row));
  }

  /** Remove an upload with its file: it will not be committed. */
  async remove(uploadId: string): Promise<void> {
    await this.discardRanges(uploadId);
    await this.#environment.queries.delete(uploads).where(eq(uploads.uploadId, uploadId));
  }

  /** What the heavy work needs to know of a sealed update. */
  sealedUpdate(upload: UploadRecord): SealedUpdate {
    const schema = upload.request === null ? manifestSchema : baselineManifestSchema;
    const manifest = decodePayload(schema, upload.manifestPayload, 'stored manifest');
    return {
      path: this.path(upload.uploadId),
      site: upload.site,
      ciphertextDigest: upload.uploadId,
      ciphertextBytes: upload.bytes,
      ephemeralPublicKey: manifest.ephemeralPublicKey,
    };
  }
}
