/** Writes adapters as the official MeLo code does; official.ts says what such a file is, and reads it. */
import { encodeSafetensors, tensorView, type AdapterFile, type FloatTensor } from '#core/adapter';
import { checkClassToken, unrepresentable } from './foreign.ts';
import { officialFileName, officialMatrixName } from './official-name.ts';
import { originMetadata } from './origin.ts';
import type { InputError } from '#core/errors';

/** An official file, and what its writing changed. */
export interface OfficialFile {
  readonly bytes: Uint8Array;
  /** The name it must have: readers take rank and alpha out of it. */
  readonly fileName: string;
  readonly notes: readonly string[];
}

/**
 * Write an adapter as the official code does.
 *
 * A scale that is a whole number goes into alpha = scale * r and changes no number. Another one is multiplied into every B, rounded
 * to float32 once (at most 2^-24 relative), with alpha = r; a note says so.
 *
 * @param file    - a decoded adapter
 * @param options - `isHeadBiasDropped`: leave out a head bias that is not zero, which changes the logits
 * @throws InputError ADAPTER_UNSUPPORTED where the head's bias is not zero and may not be dropped, a folded B overflows, or
 *   the head does not read the class token
 */
export function encodeOfficial(
  file: AdapterFile,
  options: { readonly isHeadBiasDropped: boolean },
): OfficialFile {
  const { specification, layout, values, card } = file;
  checkClassToken(specification, 'official');
  const { rank, scale, blocks, dimension, classes } = specification;
  const notes: string[] = [];
  const bias = tensorView(layout, values, 'head.bias');
  if (bias.some((value) => value !== 0)) {
    if (!options.isHeadBiasDropped) throw biasRefused();
    notes.push('the bias of the head is NOT in the file: its logits differ by that bias');
  }
  const isWhole = Number.isInteger(scale);
  if (!isWhole) notes.push(`the scale ${scale} is no whole number: it is multiplied into every B`);
  const tensors: FloatTensor[] = [];
  const order = Array.from({ length: 2 * blocks }, (_, index) => index);
  for (const index of order) {
    const a = tensorView(layout, values, `${projectionOf(index)}.lora_A`);
    tensors.push({ name: officialMatrixName('a', index), shape: [rank, dimension], values: a });
  }
  for (const index of order) {
    const b = tensorView(layout, values, `${projectionOf(index)}.lora_B`);
    const written = isWhole ? b : foldScale(b, scale);
    tensors.push({
      name: officialMatrixName('b', index),
      shape: [dimension, rank],
      values: written,
    });
  }
  tensors.push({
    name: `fc_${dimension}in_${classes.length}out`,
    shape: [classes.length, dimension],
    values: tensorView(layout, values, 'head.weight'),
  });
  const alpha = isWhole ? scale * rank : rank;
  return {
    bytes: encodeSafetensors({ tensors, metadata: originMetadata(file) }),
    fileName: officialFileName({ task: card.task, rank, alpha }),
    notes,
  };
}

const projectionOf = (index: number): string =>
  `blocks.${Math.floor(index / 2)}.attn.${index % 2 === 0 ? 'q' : 'v'}`;

function biasRefused(): InputError {
  return unrepresentable(
    'official',
    'the bias of the head is not zero, and an official file cannot hold it',
    'drop it knowingly (--drop-head-bias, dropHeadBias over REST), or write peft or melo',
    { tensor: 'head.bias' },
  );
}

function foldScale(b: Float32Array, scale: number): Float32Array {
  const folded = b.map((value) => value * scale); // product in float64, rounded once
  if (folded.every((value) => Number.isFinite(value))) return folded;
  throw unrepresentable(
    'official',
    `a B times the scale ${scale} is over the range of float32`,
    'write peft or melo',
    { scale },
  );
}
