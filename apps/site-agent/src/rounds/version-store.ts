/** Published versions on this machine: fetched once, checked against the digest that was signed. */
import { join } from 'node:path';
import { decodeAdapterFile, initialAdapter } from '#core/adapter';
import { toHex } from '#core/bytes';
import { blake2b256, decryptAdapter, openContentKey, type AgreementKeyPair } from '#core/crypto';
import { ProtocolError } from '#core/errors';
import type { AdapterReference } from '#core/protocol';
import { makePrivateDirectory, readIfPresent, writeDurably } from '../common/durable-file.ts';
import type { ApprovedRound } from '../policy/policy.ts';
import type { CoordinatorCommands } from '../transport/connection.ts';
import { downloadBlob } from '../transport/download.ts';

/** The folder of versions. */
export class VersionStore {
  readonly #directory: string;
  readonly #commands: CoordinatorCommands;
  readonly #keyPair: AgreementKeyPair;

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

  /** Return a version's bytes, from disk where they have the digest, else from the coordinator. */
  async ensure(
    task: string,
    reference: AdapterReference,
    digest: string,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const path = this.path(task, reference.version);
    const stored = await readIfPresent(path);
    if (stored !== null && toHex(blake2b256(stored)) === digest) return new Uint8Array(stored);
    const ciphertext = await downloadBlob(
      this.#commands,
      { digest: reference.ciphertextDigest, bytes: reference.ciphertextBytes },
      signal,
    );
    const contentKey = openContentKey(reference.sealedContentKey, this.#keyPair);
    const plaintext = decryptAdapter({ ciphertext, contentKey, digest });
    await makePrivateDirectory(join(this.#directory, task));
    await writeDurably(path, plaintext);
    return plaintext;
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
