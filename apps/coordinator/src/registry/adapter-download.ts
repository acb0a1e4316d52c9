/**
 * A version as one file of any format. The two files of PEFT come as a tar: the coordinator writes tar already (its backups),
 * every system it runs on opens one, and nothing is gained by compressing float32 weights.
 */
import { decodeAdapterFile } from '#core/adapter';
import { concatBytes } from '#core/bytes';
import { writeAdapter, type WrittenAdapter } from '#core/formats';
import type { z } from 'zod';
import { tarEnd, tarHeader, tarPadding } from '../backup/tar.ts';
import type { registryRoutes } from './registry.contract.ts';

type Query = z.output<typeof registryRoutes.download.query>;

/** What is sent. */
export interface AdapterDownload {
  readonly bytes: Uint8Array;
  readonly fileName: string;
  readonly notes: readonly string[];
}

/**
 * Make what is sent of a version; the same bytes every time.
 *
 * @throws InputError ADAPTER_UNSUPPORTED naming what the format cannot hold
 */
export function downloadOf(
  options: Query & {
    /** The version's own file. */
    readonly native: Uint8Array;
    readonly record: {
      readonly task: string;
      readonly version: number;
      readonly createdAtMs: number;
    };
  },
): AdapterDownload {
  const { native, record, format, peftNames, dropHeadBias } = options;
  const stem = `${record.task}-v${record.version}`;
  if (format === 'melo') return { bytes: native, fileName: `${stem}.safetensors`, notes: [] };
  const isHeadBiasDropped = dropHeadBias === 'true';
  const file = decodeAdapterFile(native);
  const { files, notes } = writeAdapter(file, { format, peftNames, isHeadBiasDropped });
  const [first] = files;
  if (files.length === 1 && first !== undefined) {
    return { bytes: first.bytes, fileName: first.name ?? `${stem}.safetensors`, notes };
  }
  const folder = `${stem}-${format}`;
  return { bytes: tarOf(files, folder, record.createdAtMs), fileName: `${folder}.tar`, notes };
}

function tarOf(files: WrittenAdapter['files'], folder: string, modifiedAtMs: number): Uint8Array {
  const parts = files.flatMap(({ name, bytes }) => [
    tarHeader(`${folder}/${name ?? 'adapter.safetensors'}`, bytes.length, modifiedAtMs),
    bytes,
    tarPadding(bytes.length),
  ]);
  return concatBytes(...parts, tarEnd());
}
