/** The files that a round's work leaves in its folder: each complete or absent, so that a killed trainer just goes on. */
import { join } from 'node:path';
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { decodeFloats, encodeFloats } from '#core/adapter';
import { concatBytes, toHex } from '#core/bytes';
import { blake2b256, type SignedEnvelope } from '#core/crypto';
import {
  bootstrapSchema,
  comparisonSchema,
  digestSchema,
  evaluationRequestIdSchema,
  groupingSchema,
  limits,
} from '#core/protocol';
import { scoreReportSchema } from '#core/evaluation';
import {
  readIfPresent,
  readJsonIfPresent,
  writeDurably,
  writeJsonDurably,
} from '../common/durable-file.ts';

const trainedSchema = z.strictObject({
  version: z.literal(1),
  /** Training images used. */
  samples: z.number().int().min(1).max(limits.samplesMax),
  steps: z.number().int().min(0),
  meanLoss: z.number(),
  /** BLAKE2b-256 of the local adapter's numbers. */
  localDigest: digestSchema,
});
/** What is known of a local round that has ended. */
export type TrainedRecord = z.infer<typeof trainedSchema>;

const reportFileSchema = z.strictObject({
  version: z.literal(1),
  heldOutImages: z.number().int().min(0).max(limits.samplesMax),
  report: scoreReportSchema,
  grouping: groupingSchema.exactOptional(),
  bootstrap: bootstrapSchema.exactOptional(),
  comparison: comparisonSchema.exactOptional(),
});

/** A score report, what is behind it and how sure it is. */
export type StoredReport = Omit<z.infer<typeof reportFileSchema>, 'version'>;

/** What a site keeps of a round for itself. */
export interface KeptFiles {
  /** For its next round. */
  readonly siteState: Uint8Array;
  /** Its own adapter, whole, where a part of it stays at the site. */
  readonly personalAdapter: Uint8Array | null;
}

const sealedSchema = z.strictObject({
  version: z.literal(1),
  request: evaluationRequestIdSchema,
  uploadId: digestSchema,
  payload: z.base64().max(2 * limits.payloadBytesMax),
  signature: z.base64().max(128),
});
/** An adapter that was trained alone, sealed for one request: the same bytes at every try. */
export interface SealedBaseline {
  readonly request: string;
  readonly uploadId: string;
  readonly ciphertext: Uint8Array;
  readonly manifest: SignedEnvelope;
}

const sealedName = 'upload.sealed';
const sealedRecordName = 'upload.json';
const siteStateName = 'site-state.safetensors';
const personalAdapterName = 'personal-adapter.safetensors';

/** The files of one round's work. */
export class WorkFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  async readReport(subject: 'global' | 'local'): Promise<StoredReport | null> {
    const file = await readJsonIfPresent(this.#path(`${subject}-report.json`), reportFileSchema);
    if (file === null) return null;
    const { version: _, ...report } = file;
    return report;
  }

  async writeReport(subject: 'global' | 'local', report: StoredReport): Promise<void> {
    await writeJsonDurably(this.#path(`${subject}-report.json`), { version: 1, ...report });
  }

  /** Where the scores behind a report are. */
  scoresPath(subject: 'global' | 'local'): string {
    return this.#path(`${subject}-scores.json`);
  }

  /** What the local round gave, once all of it is on disk. */
  readTrained(): Promise<TrainedRecord | null> {
    return readJsonIfPresent(this.#path('trained.json'), trainedSchema);
  }

  /** Keep a local round's result; the record comes last and makes the rest valid. */
  async writeTrained(
    record: Omit<TrainedRecord, 'version'>,
    files: {
      readonly local: Float32Array;
      readonly update: Uint8Array;
      readonly kept: KeptFiles | null;
    },
  ): Promise<void> {
    await writeDurably(this.#path('local.f32'), encodeFloats(files.local, 'F32'));
    await writeDurably(this.#path('update.safetensors'), files.update);
    if (files.kept !== null) {
      const { siteState, personalAdapter } = files.kept;
      await writeDurably(this.#path(siteStateName), siteState);
      if (personalAdapter !== null)
        await writeDurably(this.#path(personalAdapterName), personalAdapter);
    }
    await writeJsonDurably(this.#path('trained.json'), { version: 1, ...record });
    await rm(this.#path('checkpoint'), { force: true });
  }

  async readLocal(): Promise<Float32Array> {
    return decodeFloats(await readFile(this.#path('local.f32')), 'F32');
  }

  /** What the site keeps of the round; null where that is nothing. */
  async readKept(): Promise<KeptFiles | null> {
    const siteState = await readIfPresent(this.#path(siteStateName));
    if (siteState === null) return null;
    return { siteState, personalAdapter: await readIfPresent(this.#path(personalAdapterName)) };
  }

  async readUpdate(): Promise<Uint8Array> {
    return new Uint8Array(await readFile(this.#path('update.safetensors')));
  }

  /** What was sealed of an adapter that was trained alone, for one request; null where that is nothing. */
  async readSealed(request: string): Promise<SealedBaseline | null> {
    const ciphertext = await readIfPresent(this.#path(sealedName));
    const record = await readJsonIfPresent(this.#path(sealedRecordName), sealedSchema);
    if (ciphertext === null || record?.request !== request) return null;
    if (toHex(blake2b256(ciphertext)) !== record.uploadId) return null;
    const payload = new Uint8Array(Buffer.from(record.payload, 'base64'));
    const signature = new Uint8Array(Buffer.from(record.signature, 'base64'));
    const { uploadId } = record;
    const manifest = { payload, signature };
    return { request, uploadId, ciphertext: new Uint8Array(ciphertext), manifest };
  }

  /** Keep what was sealed before a byte of it leaves; the record comes last and makes it valid. */
  async writeSealed({ ciphertext, manifest, request, uploadId }: SealedBaseline): Promise<void> {
    await writeDurably(this.#path(sealedName), ciphertext);
    await writeJsonDurably(this.#path(sealedRecordName), {
      ...{ version: 1, request, uploadId },
      payload: Buffer.from(manifest.payload).toString('base64'),
      signature: Buffer.from(manifest.signature).toString('base64'),
    });
  }

  /** The coordinator has what was sealed. */
  async removeSealed(): Promise<void> {
    await rm(this.#path(sealedRecordName), { force: true });
    await rm(this.#path(sealedName), { force: true });
  }

  /** The checkpoint of exactly this work, or null: one of other images, plan or adapter is no checkpoint of it. */
  async readCheckpoint(binding: Uint8Array): Promise<Uint8Array | null> {
    const content = await readIfPresent(this.#path('checkpoint'));
    if (content === null || !content.subarray(0, binding.length).equals(binding)) return null;
    return new Uint8Array(content.subarray(binding.length));
  }

  async writeCheckpoint(binding: Uint8Array, checkpoint: Uint8Array): Promise<void> {
    await writeDurably(this.#path('checkpoint'), concatBytes(binding, checkpoint));
  }

  /** Remove the whole folder: the round is over. */
  async removeAll(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
