/** Fetch a blob range by range into a partial file; a broken link and a restart of either side go on where it stopped. */
import { toHex } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { ProtocolError } from '#core/errors';
import { limits } from '#core/protocol';
import { isLinkError, type CoordinatorCommands } from './connection.ts';
import { PartialFile } from './partial-file.ts';
import { RangeWindow } from './range-window.ts';

/** A blob of the coordinator. */
export interface BlobReference {
  /** BLAKE2b-256 of its bytes. */
  readonly digest: string;
  readonly bytes: number;
}

/** Offsets of the ranges that are missing. */
function* offsetsFrom(first: number, bytes: number): Iterable<number> {
  for (let offset = first; offset < bytes; offset += limits.rangeBytes) yield offset;
}

/**
 * Fetch a blob and check its digest; waits for a connection for as long as `signal` allows.
 *
 * The partial file stays when it is complete: its owner removes it once the content is kept elsewhere.
 *
 * @throws ProtocolError DIGEST_MISMATCH, after which nothing of it is left; RefusedError where the coordinator has no such
 *   blob for this site; UnavailableError DISK_FULL
 */
export async function downloadBlob(
  commands: CoordinatorCommands,
  blob: BlobReference,
  options: {
    readonly partialPath: string;
    readonly signal?: AbortSignal;
    readonly onProgress?: (bytesDone: number) => void;
  },
): Promise<Uint8Array> {
  const partial = await PartialFile.open(options.partialPath, blob.bytes);
  const hadBytes = partial.bytes > 0;
  const content = await fetchInto(partial, commands, blob, options);
  if (content !== null) return content;
  // What an earlier process left may have been torn by a power cut: it is fetched once more, as a whole.
  const again = hadBytes ? await fetchInto(partial, commands, blob, options) : null;
  if (again !== null) return again;
  throw mismatch(blob.digest, 'other bytes came');
}

/** Fetch what is missing; null, and nothing is left, where the whole does not have the digest. */
async function fetchInto(
  partial: PartialFile,
  commands: CoordinatorCommands,
  { digest, bytes }: BlobReference,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (bytesDone: number) => void },
): Promise<Uint8Array | null> {
  const window = new RangeWindow();
  const fetchRange = async (offset: number): Promise<void> => {
    const length = Math.min(limits.rangeBytes, bytes - offset);
    const answer = await commands.command('blob:get', { digest, offset, length });
    if (answer.bytes.length !== length)
      throw mismatch(digest, `${answer.bytes.length} bytes came for ${length}`);
    await partial.put(offset, answer.bytes);
    options.onProgress?.(partial.bytes);
  };
  while (partial.bytes < bytes) {
    await commands.whenConnected(options.signal);
    try {
      await window.run(offsetsFrom(partial.bytes, bytes), fetchRange);
    } catch (error) {
      if (!isLinkError(error) || options.signal?.aborted === true) throw error;
    }
  }
  const content = await partial.read();
  if (toHex(blake2b256(content)) === digest) return content;
  await partial.remove();
  return null;
}

function mismatch(digest: string, what: string): ProtocolError {
  return new ProtocolError(
    'DIGEST_MISMATCH',
    `blob ${digest.slice(0, 16)}...: expected the bytes with this digest, ${what}; it is fetched again at the next connection`,
    { digest },
  );
}
