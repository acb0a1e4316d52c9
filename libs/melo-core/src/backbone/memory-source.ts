/** A byte source over bytes in memory: for tests, the demo and small files. */
import { InputError } from '#core/errors';
import type { ByteSource } from './types.ts';

/**
 * Serve ranges of `bytes`.
 *
 * @param bytes - not copied; must not change while the source is in use
 */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    path: null,
    read: async (offset, length) => {
      if (offset < 0 || length < 0 || offset + length > bytes.length) {
        throw new InputError(
          'SAFETENSORS_INVALID',
          `byte source: expected a range within ${bytes.length} bytes, got ${length} bytes at ${offset}; fetch the file again`,
          { offset, length, size: bytes.length },
        );
      }
      return Promise.resolve(bytes.subarray(offset, offset + length));
    },
  };
}
