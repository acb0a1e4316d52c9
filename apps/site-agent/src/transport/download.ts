/** Fetch a blob range by range; a broken link goes on where it stopped. */
import { toHex } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { ProtocolError } from '#core/errors';
import { limits } from '#core/protocol';
import { isLinkError, type CoordinatorCommands } from './connection.ts';

/**
 * Fetch a blob and check its digest; waits for a connection for as long as `signal` allows.
 *
 * @throws ProtocolError DIGEST_MISMATCH, RefusedError where the coordinator has no such blob for this site
 */
export async function downloadBlob(
  commands: CoordinatorCommands,
  blob: { readonly digest: string; readonly bytes: number },
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const content = new Uint8Array(blob.bytes);
  for (let offset = 0; offset < blob.bytes;) {
    const length = Math.min(limits.rangeBytes, blob.bytes - offset);
    await commands.whenConnected(signal);
    try {
      const { bytes } = await commands.command('blob:get', { digest: blob.digest, offset, length });
      if (bytes.length !== length)
        throw mismatch(blob.digest, `${bytes.length} bytes came for ${length}`);
      content.set(bytes, offset);
      offset += length;
    } catch (error) {
      if (!isLinkError(error) || signal?.aborted === true) throw error;
    }
  }
  if (toHex(blake2b256(content)) !== blob.digest) throw mismatch(blob.digest, 'other bytes came');
  return content;
}

function mismatch(digest: string, what: string): ProtocolError {
  return new ProtocolError(
    'DIGEST_MISMATCH',
    `blob ${digest.slice(0, 16)}...: expected the bytes with this digest, ${what}; it is fetched again at the next connection`,
    { digest },
  );
}
