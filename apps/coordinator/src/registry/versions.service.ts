/** Versions of adapters: stored encrypted once, their content key wrapped; given to sites sealed, to people decrypted. */
import { Injectable } from '@nestjs/common';
import { and, asc, between, eq } from 'drizzle-orm';
import { z } from 'zod';
import { decodeAdapterFile, type AdapterLayout } from '#core/adapter';
import { decodeState, type AggregationState } from '#core/aggregation';
import {
  decryptAdapter,
  randomBytes,
  sealContentKey,
  unwrapSecret,
  wrapSecret,
  type SignedEnvelope,
} from '#core/crypto';
import { InputError, InvariantError } from '#core/errors';
import {
  adapterVersionSchema,
  decodePayload,
  digestSchema,
  roundResultSchema,
  siteIdSchema,
  type AdapterReference,
  type SiteId,
} from '#core/protocol';
import { BoundedMap } from '../common/bounded-map.ts';
import { Environment } from '../common/environment.ts';
import { toJsonEnvelope } from '../common/json-envelope.ts';
import type { Page } from '../common/pages.contract.ts';
import type { Queries } from '../config/database.ts';
import { tasks, versions } from '../config/schema.ts';
import type { TaskRecord } from '../tasks/task-store.ts';
import type { MadeVersion, StoredFile } from '../rounds/adapter-work.ts';
import { RoundStore } from '../rounds/round-store.ts';
import { BlobStore } from './blob-store.ts';
import type { registryRoutes, VersionsQuery, VersionView } from './registry.contract.ts';
import { pageOfVersions, viewOf } from './version-list.ts';
import type { RouteOutput } from '../common/contract.ts';

const versionRowSchema = z.object({
  task: z.string(),
  version: adapterVersionSchema,
  adapterDigest: digestSchema,
  adapterBytes: z.number(),
  ciphertextDigest: digestSchema,
  ciphertextBytes: z.number(),
  wrappedContentKey: z.instanceof(Uint8Array),
  roundId: z.number().nullable(),
  resultPayload: z.instanceof(Uint8Array).nullable(),
  resultSignature: z.instanceof(Uint8Array).nullable(),
  resultDigest: digestSchema.nullable(),
  createdAtMs: z.number(),
  stateDigest: digestSchema.nullable(),
  stateCiphertextDigest: digestSchema.nullable(),
  leftSites: z.array(siteIdSchema),
});
/** A version as it is stored. */
export type VersionRecord = z.infer<typeof versionRowSchema>;

/** What went into a version. */
export interface Ancestry {
  readonly version: number;
  /** Null for version 0. */
  readonly base: number | null;
  /** Sites whose updates are in the step from the base. */
  readonly sites: readonly SiteId[];
}

/** The versions that a site's share is in: directly, or through the version they started from; ascending. */
export function versionsWith(lineage: readonly Ancestry[], site: SiteId): number[] {
  const found = new Set<number>();
  for (const { version, base, sites } of lineage) {
    if (sites.includes(site) || (base !== null && found.has(base))) found.add(version);
  }
  return [...found];
}

const membersSchema = z.object({ members: z.array(z.string()) });

/** Versions held in memory at most, about 2 KB each; any other is read when it is asked for. */
const heldMax = 512;

const versionKey = (task: string, version: number): string => `${task}/${version}`;
/** What a version's content key is wrapped for. */
export const contentKeyPurpose = (task: string, version: number): string =>
  `content-key/${task}/${version}`;

/** Versions of adapters. */
@Injectable()
export class VersionsService {
  readonly #environment: Environment;
  readonly #blobs: BlobStore;
  readonly #rounds: RoundStore;
  /** Versions change in their marks alone, see {@link mark}: by {@link versionKey}. */
  readonly #held = new BoundedMap<string, VersionRecord>(heldMax);
  /** Sites that may see a ciphertext, by its digest: members of its tasks never change either. */
  readonly #readers = new BoundedMap<string, ReadonlySet<string>>(heldMax);

  constructor(environment: Environment, blobs: BlobStore, roundStore: RoundStore) {
    this.#environment = environment;
    this.#blobs = blobs;
    this.#rounds = roundStore;
  }

  /** Make a fresh content key. */
  freshContentKey(): Uint8Array {
    return randomBytes(32);
  }

  /** Make a version's ciphertext durable, then return what stores its row within a transaction. */
  async keep(options: {
    readonly task: string;
    readonly version: number;
    readonly made: MadeVersion;
    readonly contentKey: Uint8Array;
  }): Promise<
    (
      transaction: Queries,
      published: {
        readonly roundId: number;
        readonly result: SignedEnvelope;
        readonly resultDigest: string;
        readonly leftSites: readonly string[];
      } | null,
    ) => Promise<void>
  > {
    const { task, version, made, contentKey } = options;
    const ciphertextDigest = await this.#blobs.put(made.ciphertext);
    const { state } = made;
    const stateCiphertextDigest = state === null ? null : await this.#blobs.put(state.ciphertext);
    const wrappedContentKey = wrapSecret({
      secret: contentKey,
      wrappingKey: this.#environment.keys.wrappingKey,
      purpose: contentKeyPurpose(task, version),
    });
    return async (transaction, published) => {
      await transaction.insert(versions).values({
        task,
        version,
        adapterDigest: made.adapterDigest,
        adapterBytes: made.adapterBytes,
        ciphertextDigest,
        ciphertextBytes: made.ciphertext.length,
        wrappedContentKey,
        roundId: published?.roundId ?? null,
        resultPayload: published?.result.payload ?? null,
        resultSignature: published?.result.signature ?? null,
        resultDigest: published?.resultDigest ?? null,
        stateDigest: state?.digest ?? null,
        stateCiphertextDigest,
        leftSites: published?.leftSites ?? [],
        createdAtMs: this.#environment.clock.wallTimeMs(),
      });
    };
  }

  /**
   * Get a version.
   *
   * @throws InputError NOT_FOUND
   */
  async get(
    task: string,
    version: number,
    queries: Queries = this.#environment.queries,
  ): Promise<VersionRecord> {
    const held = this.#held.get(versionKey(task, version));
    if (held !== undefined) return held;
    const rows = await queries
      .select()
      .from(versions)
      .where(and(eq(versions.task, task), eq(versions.version, version)));
    if (rows[0] !== undefined) return this.#hold(rows[0]);
    throw new InputError(
      'NOT_FOUND',
      `versions: expected a published version of ${task}, ${version} is not one; see its list of versions`,
      { task, version },
    );
  }

  /** Get a version as the database has it now, whatever is held in memory. */
  readAgain(task: string, version: number): Promise<VersionRecord> {
    this.#held.delete(versionKey(task, version));
    return this.get(task, version);
  }

  #hold(row: typeof versions.$inferSelect): VersionRecord {
    const record = versionRowSchema.parse(row);
    this.#held.set(versionKey(record.task, record.version), record);
    return record;
  }

  /** Versions from one up to another, both included, oldest first. */
  async listBetween(task: string, first: number, last: number): Promise<VersionRecord[]> {
    const wanted = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const held = wanted.flatMap((version) => this.#held.get(versionKey(task, version)) ?? []);
    if (held.length === wanted.length) return held;
    const rows = await this.#environment.queries
      .select()
      .from(versions)
      .where(and(eq(versions.task, task), between(versions.version, first, last)))
      .orderBy(asc(versions.version));
    return rows.map((row) => this.#hold(row));
  }

  /** The content key of a version. */
  contentKey(record: VersionRecord): Uint8Array {
    return unwrapSecret({
      wrapped: record.wrappedContentKey,
      wrappingKey: this.#environment.keys.wrappingKey,
      purpose: contentKeyPurpose(record.task, record.version),
    });
  }

  /** Where a version's file is, for work that opens it. */
  stored(record: VersionRecord): StoredFile {
    return {
      path: this.#blobs.path(record.ciphertextDigest),
      digest: record.adapterDigest,
      contentKey: this.contentKey(record),
    };
  }

  /** Where the aggregation's state after a version is; null where it remembers nothing. */
  storedState(record: VersionRecord): StoredFile | null {
    const { stateDigest: digest, stateCiphertextDigest } = record;
    if (digest === null || stateCiphertextDigest === null) return null;
    const path = this.#blobs.path(stateCiphertextDigest);
    return { path, digest, contentKey: this.contentKey(record) };
  }

  /** The aggregation's state after a version, decrypted and checked; null where it remembers nothing. */
  async state(record: VersionRecord, layout: AdapterLayout): Promise<AggregationState | null> {
    const { stateDigest: digest, stateCiphertextDigest } = record;
    if (digest === null || stateCiphertextDigest === null) return null;
    const ciphertext = await this.#blobs.get(stateCiphertextDigest);
    const file = decryptAdapter({ ciphertext, contentKey: this.contentKey(record), digest });
    return decodeState(layout, file);
  }

  /** Where a version's ciphertext is, and its content key sealed to one site. */
  referenceFor(record: VersionRecord, agreementPublicKey: Uint8Array): AdapterReference {
    return {
      version: record.version,
      ciphertextDigest: record.ciphertextDigest,
      ciphertextBytes: record.ciphertextBytes,
      sealedContentKey: sealContentKey(this.contentKey(record), agreementPublicKey),
    };
  }

  /** The adapter file of a version, decrypted and checked. */
  async file(record: VersionRecord): Promise<Uint8Array> {
    return decryptAdapter({
      ciphertext: await this.#blobs.get(record.ciphertextDigest),
      contentKey: this.contentKey(record),
      digest: record.adapterDigest,
    });
  }

  /**
   * Read a range of a ciphertext that a site may see: of a version of a task it is a member of.
   *
   * @throws InputError NOT_FOUND for any other digest, whether or not there is such a blob
   */
  async rangeFor(
    site: string,
    digest: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    const readers = this.#readers.get(digest) ?? (await this.#findReaders(digest));
    if (readers.has(site)) return this.#blobs.range(digest, offset, length);
    throw new InputError(
      'NOT_FOUND',
      `blob ${digest.slice(0, 16)}: expected a version of a task of this site; ask with round:get which there are`,
      { digest },
    );
  }

  async #findReaders(digest: string): Promise<ReadonlySet<string>> {
    const rows = await this.#environment.queries
      .select({ definition: tasks.definition })
      .from(versions)
      .innerJoin(tasks, eq(tasks.task, versions.task))
      .where(eq(versions.ciphertextDigest, digest));
    const readers = new Set(
      rows.flatMap(({ definition }) => membersSchema.parse(definition).members),
    );
    // Where nobody may see it there may be no such version yet.
    if (readers.size > 0) this.#readers.set(digest, readers);
    return readers;
  }

  /** A page of the versions as people see them. */
  page(task: TaskRecord, query: VersionsQuery): Promise<Page<VersionView>> {
    return pageOfVersions(this.#environment.queries, task, query);
  }

  /** What went into each version of a task, oldest first, as its signed result says. */
  async lineage(task: string): Promise<Ancestry[]> {
    const rows = await this.#environment.queries
      .select({ version: versions.version, payload: versions.resultPayload })
      .from(versions)
      .where(eq(versions.task, task))
      .orderBy(asc(versions.version));
    return rows.map(({ version, payload }) => {
      if (payload === null) return { version, base: null, sites: [] };
      const result = decodePayload(roundResultSchema, payload, 'stored result');
      const members = result.members.filter(({ weight }) => weight !== null);
      const base = result.baseVersion ?? version - 1;
      return { version, base, sites: members.map(({ site }) => site) };
    });
  }

  /** Mark versions within a transaction: the share of a site that left is in them. */
  async mark(
    transaction: Queries,
    task: string,
    marked: readonly number[],
    site: SiteId,
  ): Promise<void> {
    for (const version of marked) {
      const { leftSites } = await this.get(task, version, transaction);
      if (leftSites.includes(site)) continue;
      this.#environment.transactions.whenEnded(transaction, () => {
        this.#held.delete(versionKey(task, version));
      });
      await transaction
        .update(versions)
        .set({ leftSites: [...leftSites, site].sort() })
        .where(and(eq(versions.task, task), eq(versions.version, version)));
    }
  }

  /** One version with its card and its place in the chain. */
  async detail(task: TaskRecord, version: number): Promise<RouteOutput<typeof registryRoutes.get>> {
    const record = await this.get(task.task, version);
    const { card } = decodeAdapterFile(await this.file(record));
    const { resultPayload, resultSignature, roundId } = record;
    const round = roundId === null ? null : await this.#rounds.get(roundId);
    if (round !== null && (resultPayload === null || resultSignature === null)) {
      throw new InvariantError(`version ${version} of ${task.task}: expected a signed result`);
    }
    return {
      ...viewOf(task, record, round),
      card,
      result: toJsonEnvelope(resultPayload, resultSignature),
      resultPayload:
        resultPayload === null
          ? null
          : decodePayload(roundResultSchema, resultPayload, 'stored result'),
      resultDigest: record.resultDigest,
      membership:
        round === null ? null : toJsonEnvelope(round.membershipPayload, round.membershipSignature),
    };
  }
}
