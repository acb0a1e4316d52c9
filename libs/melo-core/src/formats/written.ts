/** One adapter as the files of any format: what every writer outside this library hands on. */
import { encodeAdapterFile, type AdapterFile } from '#core/adapter';
import { utf8 } from '#core/bytes';
import { encodeOfficial } from './official-writer.ts';
import { encodePeft } from './peft.ts';
import type { PeftNames } from './peft-names.ts';
import type { AdapterFormat } from './recognise.ts';

/** The two files of a PEFT adapter, by what PEFT calls them. */
export const peftFileNames = {
  model: 'adapter_model.safetensors',
  config: 'adapter_config.json',
} as const;

/** How an adapter is written. */
export interface WrittenOptions {
  readonly format: AdapterFormat;
  /** Of which release of transformers PEFT's names are; of 5 where it is left out. */
  readonly peftNames?: PeftNames | undefined;
  /** The attribute that holds the vision model, see {@link encodePeft}. */
  readonly peftModel?: string | undefined;
  /** Whether an official file may lack the head's bias. */
  readonly isHeadBiasDropped?: boolean | undefined;
}

/** An adapter in one format. */
export interface WrittenAdapter {
  /** Two of `peft`, in the order in which they are written; one of the others. `name` is null where any will do. */
  readonly files: readonly { readonly name: string | null; readonly bytes: Uint8Array }[];
  /** What the writing changed. */
  readonly notes: readonly string[];
}

/**
 * Write an adapter; its card, and with it the notice of what it is for, goes along in every format.
 *
 * @param file - a decoded adapter; left as it is
 * @throws InputError ADAPTER_UNSUPPORTED naming what the format cannot hold exactly
 */
export function writeAdapter(file: AdapterFile, options: WrittenOptions): WrittenAdapter {
  const { format, peftNames = 'transformers-5', peftModel, isHeadBiasDropped = false } = options;
  switch (format) {
    case 'melo':
      return { files: [{ name: null, bytes: encodeAdapterFile(file) }], notes: [] };
    case 'peft': {
      const model = peftModel === undefined ? {} : { model: peftModel };
      const { bytes, config } = encodePeft(file, { names: peftNames, ...model });
      // The configuration last: PEFT looks for it first, and a part of an adapter is none.
      const files = [
        { name: peftFileNames.model, bytes },
        { name: peftFileNames.config, bytes: utf8(`${JSON.stringify(config, null, 2)}\n`) },
      ];
      return { files, notes: [] };
    }
    case 'official': {
      const { bytes, fileName, notes } = encodeOfficial(file, { isHeadBiasDropped });
      return { files: [{ name: fileName, bytes }], notes };
    }
  }
}
