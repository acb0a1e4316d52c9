/** Tells by a safetensors header alone which tool wrote an adapter. */
import { parseSafetensorsHeader, safetensorsHeaderLength } from '#core/adapter';
import { unrepresentable } from './foreign.ts';

/** A format an adapter may have. */
export type AdapterFormat = 'melo' | 'peft' | 'official';

/**
 * Recognise an adapter's format by the names and the metadata in its header.
 *
 * @param bytes - the file
 * @throws InputError SAFETENSORS_INVALID where it is no safetensors file
 * @throws InputError ADAPTER_UNSUPPORTED where it is an adapter of none of the three
 */
export function recogniseFormat(bytes: Uint8Array): AdapterFormat {
  const length = safetensorsHeaderLength(bytes.subarray(0, 8), bytes.length);
  const header = parseSafetensorsHeader(bytes.subarray(8, 8 + length), bytes.length);
  if (header.metadata['format']?.startsWith('melo-adapter/') === true) return 'melo';
  const names = [...header.tensors.keys()];
  if (names.some((name) => /^w_[ab]_\d{3}/.test(name))) return 'official';
  if (names.some((name) => name.startsWith('base_model.model.'))) return 'peft';
  throw unrepresentable(
    'foreign',
    'its names are those of no known format (melo, peft, official)',
    'check that it is an adapter and not a whole model',
  );
}
