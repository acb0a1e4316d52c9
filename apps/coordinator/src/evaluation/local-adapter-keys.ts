/** The keys that adapters of sites are sealed to and kept under, wrapped for what they are of. */
import { toHex } from '#core/bytes';
import {
  eraseBytes,
  generateAgreementKeyPair,
  sealContentKey,
  unwrapSecret,
  wrapSecret,
} from '#core/crypto';
import { InvariantError } from '#core/errors';
import type { AdapterReference } from '#core/protocol';
import type { RequestRecord } from './evaluation-request-store.ts';

/** What the secret key that baselines of a task are sealed to is wrapped for. */
export const uploadKeyPurpose = (task: string): string => `baseline-upload/${task}`;
/** What the content key of a site's adapter is wrapped for. */
export const crossKeyPurpose = (task: string, owner: string): string => `cross/${task}/${owner}`;

/** Make the key that baselines of a task are sealed to. */
export function freshUploadKey(
  task: string,
  wrappingKey: Uint8Array,
): { readonly uploadPublicKey: string; readonly wrappedKey: Uint8Array } {
  const { publicKey, secretKey } = generateAgreementKeyPair();
  const wrappedKey = wrapSecret({
    secret: secretKey,
    wrappingKey,
    purpose: uploadKeyPurpose(task),
  });
  eraseBytes(secretKey);
  return { uploadPublicKey: toHex(publicKey), wrappedKey };
}

/** Where the ciphertext of a site's adapter is, and its content key sealed to one site. */
export function crossReference(
  record: RequestRecord,
  wrappingKey: Uint8Array,
  agreementPublicKey: Uint8Array,
): AdapterReference {
  const { task, owner, ciphertextDigest, ciphertextBytes, wrappedKey: wrapped } = record;
  if (owner === null || ciphertextDigest === null || ciphertextBytes === null || wrapped === null)
    throw new InvariantError(`request ${record.request}: expected the adapter that it is of`);
  const contentKey = unwrapSecret({ wrapped, wrappingKey, purpose: crossKeyPurpose(task, owner) });
  const sealedContentKey = sealContentKey(contentKey, agreementPublicKey);
  return { version: 0, ciphertextDigest, ciphertextBytes, sealedContentKey };
}
