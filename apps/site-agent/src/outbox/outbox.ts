/**
 * What is ready to leave: each entry one file, complete before a byte of it goes out, removed when the coordinator has it.
 * An update is kept for longer, until its round is over: a coordinator that was restored from a backup asks for it again.
 *
 * An entry is a header (LE32 length, JSON) and, for an update, the ciphertext. It is never changed: after any crash the
 * same bytes go out again, and an update of the same round and attempt is never sealed a second time.
 */
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { concatBytes, fromUtf8, toHex, utf8 } from '#core/bytes';
import { blake2b256, type SignedEnvelope } from '#core/crypto';
import { StateError } from '#core/errors';
import {
  decodePayload,
  digestSchema,
  limits,
  manifestSchema,
  roundKeySchema,
  taskIdSchema,
  type RoundKey,
} from '#core/protocol';
import { makePrivateDirectory, systemErrorCode, writeDurably } from '../common/durable-file.ts';
import type { Logger } from '../common/events.ts';

const base64Schema = z.base64().max(2 * limits.payloadBytesMax);
const envelopeSchema = z.strictObject({ payload: base64Schema, signature: base64Schema });

const headerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    version: z.literal(1),
    kind: z.literal('update'),
    key: roundKeySchema,
    uploadId: digestSchema,
    bytes: z.number().int().min(1).max(limits.updateBytesMax),
    manifest: envelopeSchema,
  }),
  z.strictObject({
    version: z.literal(1),
    kind: z.literal('evaluation'),
    task: taskIdSchema,
    evaluation: envelopeSchema,
  }),
]);
type Header = z.infer<typeof headerSchema>;

/** A sealed update that waits. */
export interface UpdateEntry {
  readonly kind: 'update';
  readonly name: string;
  readonly key: RoundKey;
  readonly uploadId: string;
  readonly manifest: SignedEnvelope;
  readonly ciphertext: Uint8Array;
}

/** A signed score report that waits. */
export interface EvaluationEntry {
  readonly kind: 'evaluation';
  readonly name: string;
  readonly task: string;
  readonly evaluation: SignedEnvelope;
}

/** Something that waits to leave. */
export type OutboxEntry = UpdateEntry | EvaluationEntry;

const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const fromText = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const pack = (envelope: SignedEnvelope): z.infer<typeof envelopeSchema> => ({
  payload: toText(envelope.payload),
  signature: toText(envelope.signature),
});
const unpack = (packed: z.infer<typeof envelopeSchema>): SignedEnvelope => ({
  payload: fromText(packed.payload),
  signature: fromText(packed.signature),
});

const updateName = ({ task, round, attempt }: RoundKey): string =>
  `${task}.round-${round}.attempt-${attempt}.update`;

/** Of an update that the coordinator has: no entry any more, but kept. */
const sentName = (key: RoundKey): string => `${updateName(key)}.sent`;

function encodeEntry(header: Header, body: Uint8Array): Uint8Array {
  const json = utf8(JSON.stringify(headerSchema.parse(header)));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.length, true);
  return concatBytes(length, json, body);
}

function decodeEntry(name: string, bytes: Uint8Array): OutboxEntry {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getUint32(0, true);
  const header = headerSchema.parse(JSON.parse(fromUtf8(bytes.subarray(4, 4 + headerBytes))));
  if (header.kind === 'evaluation') {
    return { kind: 'evaluation', name, task: header.task, evaluation: unpack(header.evaluation) };
  }
  const ciphertext = bytes.slice(4 + headerBytes);
  if (ciphertext.length !== header.bytes || toHex(blake2b256(ciphertext)) !== header.uploadId) {
    throw new RangeError('the ciphertext does not have the digest it was written with');
  }
  const { key, uploadId } = header;
  return { kind: 'update', name, key, uploadId, manifest: unpack(header.manifest), ciphertext };
}

/** The folder of what waits to leave. */
export class Outbox {
  readonly #directory: string;
  readonly #logger: Logger;
  /** When this process put an update by: monotonic milliseconds by name. */
  readonly #sentMs = new Map<string, number>();

  private constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
  }

  /** Open the folder and change nothing in it: a command that looks does so beside the agent that writes. */
  static async open(directory: string, logger: Logger): Promise<Outbox> {
    await makePrivateDirectory(directory);
    return new Outbox(directory, logger);
  }

  /** Whether an update of this attempt was sealed already, damaged or not. */
  async hasUpdate(key: RoundKey): Promise<boolean> {
    const names = await readdir(this.#directory);
    const own = [updateName(key), sentName(key), `${updateName(key)}.damaged`];
    return names.some((name) => own.includes(name));
  }

  /**
   * Keep a sealed update.
   *
   * @throws StateError UPDATE_DUPLICATE where one of this attempt is there: other bytes only under another attempt
   */
  async addUpdate(entry: Omit<UpdateEntry, 'kind' | 'name'>): Promise<void> {
    if (await this.hasUpdate(entry.key)) {
      throw new StateError(
        'UPDATE_DUPLICATE',
        `outbox: expected no update of ${entry.key.task} round ${entry.key.round} attempt ${entry.key.attempt}, one was sealed already; it is sent as it is`,
        { ...entry.key },
      );
    }
    const { key, uploadId, ciphertext, manifest } = entry;
    const header: Header = {
      version: 1,
      kind: 'update',
      key,
      uploadId,
      bytes: ciphertext.length,
      manifest: pack(manifest),
    };
    await writeDurably(join(this.#directory, updateName(key)), encodeEntry(header, ciphertext));
  }

  /** Keep a signed score report under a name that says what it is of: a repeat replaces it. */
  async addEvaluation(task: string, subject: string, evaluation: SignedEnvelope): Promise<void> {
    const header: Header = {
      version: 1,
      kind: 'evaluation',
      task: taskIdSchema.parse(task),
      evaluation: pack(evaluation),
    };
    const name = `${task}.${subject}.evaluation`;
    await writeDurably(join(this.#directory, name), encodeEntry(header, new Uint8Array(0)));
  }

  /** Whether a signed score report of this name waits. */
  async hasEvaluation(task: string, subject: string): Promise<boolean> {
    return (await readdir(this.#directory)).includes(`${task}.${subject}.evaluation`);
  }

  /** List the names of what waits: updates first, since a round waits for them. */
  async names(): Promise<string[]> {
    const names = (await readdir(this.#directory)).sort();
    return [
      ...names.filter((name) => name.endsWith('.update')),
      ...names.filter((name) => name.endsWith('.evaluation')),
    ];
  }

  /** Read an entry; null where it is gone or damaged (a damaged one is kept aside and logged). */
  async read(name: string): Promise<OutboxEntry | null> {
    const path = join(this.#directory, name);
    try {
      return decodeEntry(name, await readFile(path));
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return null;
      await rename(path, `${path}.damaged`);
      this.#logger.error(
        { entry: name },
        'outbox: an entry is damaged and was set aside; this attempt of the round is lost, check the disk',
      );
      return null;
    }
  }

  /** The coordinator has an update: it waits no more, but is kept until {@link removeSent}. */
  async keepSent(key: RoundKey): Promise<void> {
    this.#sentMs.set(sentName(key), performance.now());
    // Where a power cut undoes this, it is sent once more and found to be there.
    await rename(join(this.#directory, updateName(key)), join(this.#directory, sentName(key)));
  }

  /**
   * Let an update that was sent wait once more, byte for byte.
   *
   * @param askedMs - monotonic time at which the coordinator was asked what it lacks: before it had the update it says so rightly
   * @returns whether there is one
   */
  async sendAgain(key: RoundKey, askedMs: number): Promise<boolean> {
    if ((this.#sentMs.get(sentName(key)) ?? -Infinity) > askedMs) return false;
    try {
      await rename(join(this.#directory, sentName(key)), join(this.#directory, updateName(key)));
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** Remove what was sent for a task: its round is over. */
  async removeSent(task: string): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (name.startsWith(`${task}.`) && name.endsWith('.sent')) await this.remove(name);
    }
  }

  /** Remove everything of a task that the site has withdrawn from. */
  async removeTask(task: string): Promise<void> {
    for (const name of await this.names()) if (name.startsWith(`${task}.`)) await this.remove(name);
    await this.removeSent(task);
  }

  /** Remove an update of an attempt that was sealed for another RoundOpen than this one. */
  async removeForeign(key: RoundKey, roundOpenDigest: string): Promise<void> {
    for (const name of [updateName(key), sentName(key)]) {
      const entry = await this.read(name);
      if (entry?.kind !== 'update') continue;
      const manifest = decodePayload(manifestSchema, entry.manifest.payload, 'own manifest');
      if (manifest.roundOpenDigest !== roundOpenDigest) await this.remove(name);
    }
  }

  /** Remove an entry that the coordinator has, or will never take. */
  async remove(name: string): Promise<void> {
    await rm(join(this.#directory, name), { force: true });
  }
}
