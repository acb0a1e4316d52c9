/** Lets the adapter out that this site trained alone, where its task asks for it and its policy allows it: sealed once, sent until it is there. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeAdapterFile } from '#core/adapter';
import { fromHex, toHex } from '#core/bytes';
import { blake2b256, sealUpdate, signDomains, signPayload } from '#core/crypto';
import { InputError } from '#core/errors';
import {
  baselineManifestSchema,
  baselineSealRound,
  encodePayload,
  protocolVersion,
  type BaselinePlan,
  type EvaluationRequest,
} from '#core/protocol';
import { readIfPresent } from '../common/durable-file.ts';
import { WorkFiles, type SealedBaseline } from '../trainer/work-files.ts';
import { uploadSealed } from '../transport/upload.ts';
import type { AgentContext } from './context.ts';
import { baselineDirectory, trainBaseline, type StoredVersion } from './version-evaluation.ts';

/** A verified request for the adapter. */
interface ShareRequest extends EvaluationRequest {
  readonly baseline: BaselinePlan;
  readonly requestDigest: string;
}

/**
 * Send the adapter; it is trained first where it is not there yet.
 *
 * @throws RefusedError where the coordinator will not have it
 */
export async function shareBaseline(
  context: AgentContext,
  about: StoredVersion,
  request: ShareRequest,
  signal: AbortSignal,
): Promise<void> {
  const { task } = about;
  const { commands, heartbeat, emit } = context;
  const files = new WorkFiles(baselineDirectory(context, task, request.baseline));
  if ((await files.readTrained()) === null)
    await trainBaseline(context, about, request.baseline, signal);
  signal.throwIfAborted();
  const sealed =
    (await files.readSealed(request.request)) ?? (await seal(context, about, request, files));
  const bytes = sealed.ciphertext.length;
  await uploadSealed(commands, sealed, {
    signal,
    onProgress: ({ bytesStored }) => {
      const progress = Math.min(1, bytesStored / bytes);
      heartbeat.set({ phase: 'uploading', task, round: null, progress });
    },
  });
  await files.removeSealed();
  emit({ event: 'baseline-shared', task, bytes });
}

/** Seal as an update is, to the key and the digest of the request; durable before a byte of it leaves. */
async function seal(
  { federation, site, keys, versions }: AgentContext,
  { task, version }: StoredVersion,
  { request, requestDigest, uploadPublicKey }: ShareRequest,
  files: WorkFiles,
): Promise<SealedBaseline> {
  const start = await readIfPresent(versions.path(task, version));
  if (start === null || uploadPublicKey === undefined)
    throw new InputError(
      'NOT_FOUND',
      `${task}: expected version 0 and a key to seal to; ask again`,
    );
  const layoutHash = decodeAdapterFile(new Uint8Array(start)).layout.hash;
  const { ciphertext, ephemeralPublicKey } = sealUpdate({
    plaintext: await files.readUpdate(),
    roundPublicKey: fromHex(uploadPublicKey),
    roundOpenDigest: requestDigest,
    context: { federation, task, ...baselineSealRound, site, layoutHash },
  });
  const uploadId = toHex(blake2b256(ciphertext));
  const payload = encodePayload(baselineManifestSchema, {
    ...{ type: 'baseline-manifest', protocol: protocolVersion, federation, task, site },
    ...{ request, requestDigest, layoutHash, ephemeralPublicKey: toHex(ephemeralPublicKey) },
    ...{ ciphertextDigest: uploadId, ciphertextBytes: ciphertext.length },
  });
  const manifest = signPayload(signDomains.baselineManifest, payload, keys.signing.secretKey);
  const sealed = { request, uploadId, ciphertext, manifest };
  await files.writeSealed(sealed);
  return sealed;
}

/** Remove what waits to be sent of a task that the site has withdrawn from; what it trained stays. */
export async function removeSealedBaselines(dataDirectory: string, task: string): Promise<void> {
  const parent = join(dataDirectory, 'work', task);
  for (const name of await readdir(parent).catch(() => []))
    if (name.startsWith('baseline-')) await new WorkFiles(join(parent, name)).removeSealed();
}
