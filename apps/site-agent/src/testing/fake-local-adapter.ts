/** How the fake coordinator asks for an adapter that a site trained alone, and opens it. */
import {
  adapterLayout,
  decodeAdapterFile,
  decodeUpdate,
  encodeAdapterFile,
  resolveTrainedTensors,
  specificationOf,
} from '#core/adapter';
import {
  openUpdate,
  signDomains,
  verifyPayload,
  type AgreementKeyPair,
  type SignedEnvelope,
} from '#core/crypto';
import {
  baselineManifestSchema,
  baselineSealRound,
  decodePayload,
  type EvaluationRequest,
  type TaskDefinition,
} from '#core/protocol';

/** What a site is to train alone. */
export function baselineOf(
  definition: TaskDefinition,
  rounds: number,
): NonNullable<EvaluationRequest['baseline']> {
  const layout = adapterLayout(specificationOf(definition));
  return {
    rounds,
    plan: definition.plan,
    trainedTensors: [...resolveTrainedTensors('all', layout)],
  };
}

/** An adapter's file with other values under the same card. */
export function encodeLike(
  file: Uint8Array,
  definition: TaskDefinition,
  values: Float32Array,
): Uint8Array {
  const { card } = decodeAdapterFile(file);
  return encodeAdapterFile({ specification: specificationOf(definition), values, card });
}

/** Open it into what the site added to version 0; null where it was not asked for. */
export function openLocalAdapter({
  ciphertext,
  manifest,
  asked,
  uploadPair,
  definition,
  signingPublicKey,
}: {
  readonly ciphertext: Uint8Array;
  readonly manifest: SignedEnvelope;
  readonly asked: EvaluationRequest | undefined;
  readonly uploadPair: AgreementKeyPair | null;
  readonly definition: TaskDefinition;
  readonly signingPublicKey: Uint8Array;
}): Float32Array | null {
  const payload = verifyPayload(signDomains.baselineManifest, manifest, signingPublicKey);
  const said = decodePayload(baselineManifestSchema, payload, 'manifest');
  if (uploadPair === null || asked?.baseline === undefined || asked.baseline === null) return null;
  const { federation, task, site, layoutHash, requestDigest } = said;
  const bytes = openUpdate({
    ciphertext,
    roundKeyPair: uploadPair,
    roundOpenDigest: requestDigest,
    context: { federation, task, ...baselineSealRound, site, layoutHash },
  });
  const layout = adapterLayout(specificationOf(definition));
  return decodeUpdate({ layout, trainedTensors: asked.baseline.trainedTensors, bytes, site });
}
