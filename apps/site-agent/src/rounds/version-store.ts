/** Published versions on this machine: fetched once, checked against the digest that was signed. */
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { decodeAdapterFile, initialAdapter } from '#core/adapter';
import { toHex } from '#core/bytes';
import { blake2b256, decryptAdapter, openContentKey, type AgreementKeyPair } from '#core/crypto';
import { ProtocolError } from '#core/errors';
import type { AdapterReference } from '#core/protocol';
import { makePrivateDirectory, readIfPresent, writeDurably } from '../common/durable-file.ts';
import type { ApprovedRound } from '../policy/policy.ts';
import type { CoordinatorCommands } from '../transport/connection.ts';
import { downloadBlob } from '../transport/download.ts';

/** A download that was broken off for so long is begun anew. */
const staleAfterMs = 24 * 3_600_000;

/** A version as a round or a result names it. */
export interface WantedVersion {
  readonly task: string;
  readonly reference: AdapterReference;
  /** BLAKE2b-256 of the file. */
  readonly digest: string;
}

/** How a version is fetched. */
export interface FetchOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (bytesDone: number) => void;
}

/** The folder of versions. */
export class VersionStore {
  readonly #directory: string;
  readonly #commands: CoordinatorCommands;
  readonly #keyPair: AgreementKeyPair;
  /** The last fetch of each digest. */
  readonly #fetching = new Map<string, Promise<unknown>>();

  constructor(options: {
    readonly directory: string;
    readonly commands: CoordinatorCommands;
    readonly keyPair: AgreementKeyPair;
  }) {
    this.#directory = options.directory;
    this.#commands = options.commands;
    this.#keyPair = options.keyPair;
  }

  /** Where a version's file is, fetched or not. */
  path(task: string, version: number): string {
    return join(this.#directory, task, `version-${version}.safetensors`);
  }

  /**
   * Return a version's bytes, from disk where they have the digest, else from the coordinator.
   *
   * @throws ProtocolError DIGEST_MISMATCH, RefusedError where the coordinator has no such version for this site
   */
  async ensure(version: WantedVersion, options: FetchOptions = {}): Promise<Uint8Array> {
    // The round's work and the news of a version may want the same one at once: one of them fetches.
    const before = this.#fetching.get(version.digest);
    const fetching = (before ?? Promise.resolve()).then(
      () => this.#ensure(version, options),
      () => this.#ensure(version, options),
    );
    this.#fetching.set(version.digest, fetching);
    try {
      return await fetching;
    } finally {
      if (this.#fetching.get(version.digest) === fetching) this.#fetching.delete(version.digest);
    }
  }

  async #ensure(version: WantedVersion, options: FetchOptions): Promise<Uint8Array> {
    return this.#fetch(this.path(version.task, version.reference.version), version, options);
  }

  /** Fetch an adapter that is no version, checked against its digest like one; `path` is outside the folder of versions. */
  async fetchTo(
    path: string,
    adapter: Omit<WantedVersion, 'task'>,
    options: FetchOptions = {},
  ): Promise<void> {
    await this.#fetch(path, adapter, options);
  }

  async #fetch(
    path: string,
    { reference, digest }: Omit<WantedVersion, 'task'>,
    options: FetchOptions,
  ): Promise<Uint8Array> {
    const stored = await readIfPresent(path);
    if (stored !== null && toHex(blake2b256(stored)) === digest) return new Uint8Array(stored);
    const directory = await makePrivateDirectory(dirname(path));
    const blob = { digest: reference.ciphertextDigest, bytes: reference.ciphertextBytes };
    const partialPath = join(directory, `${blob.digest}.part`);
    const ciphertext = await downloadBlob(this.#commands, blob, { ...options, partialPath });
    const contentKey = openContentKey(reference.sealedContentKey, this.#keyPair);
    const plaintext = decryptAdapter({ ciphertext, contentKey, digest });
    await writeDurably(path, plaintext);
    await rm(partialPath, { force: true });
    return plaintext;
  }

  /**
   * Remove versions that are not kept, and those above the newest that this site knows: what a person accepted away, or a
   * crash left behind. Whatever is needed once more is fetched once more.
   *
   * @returns the numbers that were removed, ascending
   */
  async prune(
    task: string,
    keep: { readonly newest: number; readonly latest: number; readonly pinned: readonly number[] },
  ): Promise<number[]> {
    const directory = join(this.#directory, task);
    const removed: number[] = [];
    for (const name of await readdir(directory).catch(() => [])) {
      const version = Number(/^version-(\d{1,9})\.safetensors$/.exec(name)?.[1] ?? NaN);
      const isKept =
        Number.isNaN(version) ||
        keep.pinned.includes(version) ||
        (version <= keep.newest && version > keep.newest - keep.latest);
      if (isKept) continue;
      await rm(join(directory, name), { force: true });
      removed.push(version);
    }
    return removed.sort((a, b) => a - b);
  }

  /** Remove, at the start, what is left of downloads that were not taken up again for a day. */
  async removeStaleDownloads(nowMs: number): Promise<void> {
    for (const task of await readdir(this.#directory)) {
      for (const name of await readdir(join(this.#directory, task))) {
        const path = join(this.#directory, task, name);
        if (!name.endsWith('.part')) continue;
        if (nowMs - (await stat(path)).mtimeMs > staleAfterMs) await rm(path, { force: true });
      }
    }
  }

  /** Remove what is left of downloads that nobody takes up any more: of versions before this one, at a new one. */
  async removePartial(task: string): Promise<void> {
    const directory = join(this.#directory, task);
    if (this.#fetching.size > 0) return;
    for (const name of await readdir(directory)) {
      if (name.endsWith('.part')) await rm(join(directory, name), { force: true });
    }
  }
}

/**
 * Check that an adapter's file is the one RoundOpen describes, and version 0 the one that the public seed gives.
 *
 * @throws ProtocolError DIGEST_MISMATCH
 */
export function checkGlobalAdapter(
  bytes: Uint8Array,
  { open, specification, layout }: ApprovedRound,
): void {
  const file = decodeAdapterFile(bytes);
  const isDescribed =
    file.layout.hash === layout.hash &&
    file.specification.scale === specification.scale &&
    file.card.classes.join('\n') === open.classes.join('\n') &&
    file.card.backbone.fingerprint === open.backboneFingerprint &&
    file.card.version === open.globalVersion;
  if (!isDescribed) throw wrongAdapter(open.task, 'its card describes another adapter');
  if (open.globalVersion !== 0) return;
  const expected = initialAdapter(specification, open.publicSeed);
  if (expected.some((value, index) => !Object.is(value, file.values[index]))) {
    throw wrongAdapter(open.task, 'version 0 is not what the public seed gives');
  }
}

function wrongAdapter(task: string, what: string): ProtocolError {
  return new ProtocolError(
    'DIGEST_MISMATCH',
    `${task}: expected the adapter that RoundOpen describes, ${what}; report this to the administrator`,
    { task },
  );
}
