/**
 * What a column has done so far, a round at a time: its record, and of the last round the version and what the next one goes on from.
 *
 * A folder is named by the digest of everything that decides the work, so that another plan never goes on from it.
 */
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { adapterDigest } from '#core/adapter';
import { StateError } from '#core/errors';
import { scoreReportSchema } from '#core/evaluation';
import { digestSchema, roundNumberSchema, siteIdSchema } from '#core/protocol';
import {
  makePrivateDirectory,
  readIfPresent,
  readJsonIfPresent,
  writeDurably,
  writeJsonDurably,
} from '../common/durable-file.ts';

const reportsSchema = z.record(siteIdSchema, scoreReportSchema);

const recordSchema = z.strictObject({
  version: z.literal(1),
  round: roundNumberSchema,
  /** Of the version that the round gave. */
  digest: digestSchema,
  /** Mean training loss of each site. */
  losses: z.record(siteIdSchema, z.number()),
  /** On each site's held-out images; null where the round was not measured. */
  reports: reportsSchema.nullable(),
});
/** What is known of a round that is done. */
export type RoundRecord = z.infer<typeof recordSchema>;

/** What the next round goes on from, beside the version. */
export interface Carried {
  /** The aggregation's state; null where it has none. */
  readonly aggregation: Uint8Array | null;
  /** What each site kept for itself, by its name. */
  readonly sites: ReadonlyMap<string, Uint8Array>;
}

/** A round's version, and what goes on from it. */
export interface StoredRound extends Carried {
  readonly version: Uint8Array;
}

/** Where all columns of an output folder lie. */
export const workFolder = (output: string): string => join(output, 'work');

/** Whether a round of any column is done in an output folder. */
export async function hasDoneRounds(output: string): Promise<boolean> {
  const folder = workFolder(output);
  if (!existsSync(folder)) return false;
  return (await readdir(folder, { recursive: true })).some((name) => name.endsWith('.json'));
}

const numberText = (round: number): string => String(round).padStart(5, '0');

/** The files of one column. */
export class WorkStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  #path(round: number, part: string): string {
    return join(this.#directory, `${numberText(round)}.${part}`);
  }

  /** The records of the rounds that are done, in order. */
  async records(rounds: number): Promise<RoundRecord[]> {
    const records: RoundRecord[] = [];
    for (let round = 1; round <= rounds; round++) {
      const record = await readJsonIfPresent(this.#path(round, 'json'), recordSchema);
      if (record === null) break;
      records.push(record);
    }
    return records;
  }

  /**
   * Read what the last round that is done left.
   *
   * @throws StateError STATE_CONFLICT where it is not there any more, or damaged
   */
  async read({ round, digest }: RoundRecord, sites: readonly string[]): Promise<StoredRound> {
    const read = async (part: string): Promise<Uint8Array | null> => {
      const bytes = await readIfPresent(this.#path(round, part));
      return bytes === null ? null : new Uint8Array(bytes);
    };
    const version = await read('adapter');
    if (version === null || adapterDigest(version) !== digest) {
      throw new StateError(
        'STATE_CONFLICT',
        `${this.#directory}: expected the adapter of round ${round}, it is missing or damaged; remove this folder, then the column is trained afresh`,
      );
    }
    const kept = new Map<string, Uint8Array>();
    for (const site of sites) {
      const bytes = await read(site);
      if (bytes !== null) kept.set(site, bytes);
    }
    return { version, aggregation: await read('aggregation'), sites: kept };
  }

  /** Keep a round: its record comes last and makes the rest valid; what the round before left goes. */
  async write(record: RoundRecord, { version, aggregation, sites }: StoredRound): Promise<void> {
    const { round } = record;
    await makePrivateDirectory(this.#directory);
    for (const [site, bytes] of sites) await writeDurably(this.#path(round, site), bytes);
    if (aggregation !== null) await writeDurably(this.#path(round, 'aggregation'), aggregation);
    await writeDurably(this.#path(round, 'adapter'), version);
    await writeJsonDurably(this.#path(round, 'json'), record);
    const before = `${numberText(round - 1)}.`;
    for (const name of await readdir(this.#directory)) {
      const isOld = name.startsWith(before) && !name.endsWith('.json');
      if (isOld) await rm(join(this.#directory, name), { force: true });
    }
  }

  /** The last version, whole. */
  async lastVersion(record: RoundRecord): Promise<Uint8Array> {
    return (await this.read(record, [])).version;
  }
}
