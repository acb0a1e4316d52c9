/**
 * Reads adapters of the official MeLo code: one safetensors file whose name carries rank and alpha.
 *
 * `w_a_NNN` (r,D) and `w_b_NNN` (D,r) with NNN = 000, 001, ...: even for query, odd for value, two for each adapted block in
 * turn; the head as `fc_{D}in_{C}out` (C,D). Applied is (alpha // r) B A, a whole number. The head is trained with a bias that is
 * never saved. With a subset of the blocks the numbering stays dense, so that only the one who trained knows the blocks.
 *
 * @see https://github.com/JamesQFreeman/LoRA-ViT, `lora.py`
 */
import { decodeSafetensors, type SafetensorsFile } from '#core/adapter';
import { assert, InputError } from '#core/errors';
import {
  assembleForeign,
  matrixShape,
  readForeignTensor,
  shorten,
  unrepresentable,
  type ForeignAdapter,
  type LowRankPair,
} from './foreign.ts';
import { officialMatrixName, readOfficialFileName } from './official-name.ts';
import { readOrigin } from './origin.ts';

const pairName = /^w_([ab])_(\d{3,4})$/;
const headName = /^fc_(\d{1,6})in_(\d{1,6})out$/;

interface OfficialNames {
  /** Name of the head's weight. */
  readonly head: string;
  /** Adapted matrices: twice the adapted blocks. */
  readonly count: number;
}

function recogniseNames(file: SafetensorsFile): OfficialNames {
  let head: string | null = null;
  let count = 0;
  for (const name of file.tensors.keys()) {
    const index = pairName.exec(name)?.[2];
    if (index !== undefined) {
      count = Math.max(count, Number(index) + 1);
    } else if (headName.test(name) && head === null) {
      head = name;
    } else {
      throw unrepresentable(
        'official',
        `it has ${shorten(name)}, which is neither w_a_NNN, w_b_NNN nor the one fc_{in}in_{out}out`,
        'save it with save_lora_parameters',
        { tensor: shorten(name) },
      );
    }
  }
  if (head === null) {
    throw unrepresentable(
      'official',
      'it has no head fc_{in}in_{out}out',
      'save it with save_lora_parameters',
    );
  }
  if (count === 0 || count % 2 !== 0) {
    throw unrepresentable(
      'official',
      `expected w_a_NNN in twos (query and value), it has ${count}`,
      'save it with save_lora_parameters',
      { count },
    );
  }
  return { head, count };
}

/**
 * Read an adapter of the official code.
 *
 * The scale is alpha // r with alpha out of the file's name or `alpha`; where neither says it, 1, and a note says so. The head's
 * bias, which such a file never has, is zero.
 *
 * @param options - `fileName`: without folders;
 *   `alpha`: as it was trained, where the name does not say it;
 *   `blocks`: L of the backbone; without it every block counts as adapted;
 *   `adaptedBlocks`: which blocks were adapted, ascending, where that is not all of them
 * @throws InputError ADAPTER_UNSUPPORTED naming what our layout cannot hold, a scale of zero, or blocks that are not known
 * @throws InputError SAFETENSORS_INVALID, TENSOR_MISSING, TENSOR_SHAPE_MISMATCH, TENSOR_DTYPE_UNSUPPORTED or NON_FINITE_UPDATE
 */
export function decodeOfficial(options: {
  readonly bytes: Uint8Array;
  readonly fileName: string;
  readonly alpha?: number | undefined;
  readonly blocks?: number | undefined;
  readonly adaptedBlocks?: readonly number[] | undefined;
}): ForeignAdapter {
  const file = decodeSafetensors(options.bytes);
  const { head, count } = recogniseNames(file);
  const [classes, dimension] = checkHead(file, head);
  const [rank] = matrixShape(file, officialMatrixName('a', 0));
  const notes: string[] = [];
  const scale = readScale({ ...options, rank, classes }, notes);
  const adapted = placeBlocks(count / 2, options, notes);
  const pairs = new Map<string, LowRankPair>();
  for (let index = 0; index < count; index++) {
    const a = readForeignTensor(file, officialMatrixName('a', index), [rank, dimension]); // (r,D)
    const b = readForeignTensor(file, officialMatrixName('b', index), [dimension, rank]); // (D,r)
    const block = adapted[Math.floor(index / 2)];
    assert(block !== undefined, 'decodeOfficial: expected a block for every two matrices');
    pairs.set(`blocks.${block}.attn.${index % 2 === 0 ? 'q' : 'v'}`, { a, b });
  }
  notes.push('an official file has no bias of the head: zeros are used');
  const blocks = options.blocks ?? adapted.length;
  return assembleForeign({
    ...{ format: 'official', rank, alpha: scale * rank, dimension, blocks, pairs, notes },
    headWeight: readForeignTensor(file, head, [classes, dimension]),
    headBias: new Float32Array(classes),
    origin: readOrigin(file.metadata),
  });
}

function checkHead(file: SafetensorsFile, head: string): [classes: number, dimension: number] {
  const [classes, dimension] = matrixShape(file, head);
  const [, inputs, outputs] = headName.exec(head) ?? [];
  if (Number(inputs) === dimension && Number(outputs) === classes) return [classes, dimension];
  throw new InputError(
    'TENSOR_SHAPE_MISMATCH',
    `official adapter: tensor ${head}: expected (${outputs}, ${inputs}) as its name says, got (${classes}, ${dimension}); save it again`,
    { tensor: head, actual: [classes, dimension] },
  );
}

function readScale(
  given: {
    readonly fileName: string;
    readonly alpha?: number | undefined;
    readonly rank: number;
    readonly classes: number;
  },
  notes: string[],
): number {
  const { rank, classes } = given;
  const named = readOfficialFileName(given.fileName);
  if (named !== null && named.rank !== rank) {
    throw disagreement(`rank ${named.rank}, its tensors have ${rank}`, 'rank');
  }
  if (named?.classes !== undefined && named.classes !== classes) {
    throw disagreement(`${named.classes} classes, its head has ${classes}`, 'classes');
  }
  const alpha = given.alpha ?? named?.alpha;
  if (alpha === undefined) {
    notes.push('neither the name nor the command says alpha: a scale of 1 is used');
    return 1;
  }
  const scale = Math.floor(alpha / rank); // Python's alpha // r, both positive
  if (scale < 1) {
    throw unrepresentable(
      'official',
      `alpha ${alpha} // rank ${rank} is 0, so that the official code applies nothing of it`,
      'name the alpha it was trained with',
      { alpha, rank },
    );
  }
  if (scale * rank !== alpha) {
    notes.push(
      `the official code applies ${alpha} // ${rank} = ${scale}: alpha becomes ${scale * rank}`,
    );
  }
  return scale;
}

function disagreement(what: string, field: string): InputError {
  return new InputError(
    'ADAPTER_INVALID',
    `official adapter: its name says ${what}; give the file the name it was saved under`,
    { field },
  );
}

/** Say which blocks the pairs belong to, in order. */
function placeBlocks(
  adaptedCount: number,
  options: {
    readonly blocks?: number | undefined;
    readonly adaptedBlocks?: readonly number[] | undefined;
  },
  notes: string[],
): readonly number[] {
  const { blocks, adaptedBlocks } = options;
  const all = Array.from({ length: adaptedCount }, (_, block) => block);
  if (adaptedBlocks === undefined) {
    if (blocks === undefined || blocks === adaptedCount) return all;
    throw unrepresentable(
      'official',
      `it adapts ${adaptedCount} of ${blocks} blocks and does not say which`,
      'name the adapted blocks',
      { adapted: adaptedCount, blocks },
    );
  }
  const isAscending = adaptedBlocks.every(
    (block, index) =>
      Number.isSafeInteger(block) &&
      block >= 0 &&
      block < (blocks ?? 0) &&
      (index === 0 || block > (adaptedBlocks[index - 1] ?? block)),
  );
  if (!isAscending || adaptedBlocks.length !== adaptedCount) {
    throw unrepresentable(
      'official',
      `expected ${adaptedCount} ascending numbers of blocks of the backbone, got ${adaptedBlocks.length === adaptedCount ? 'others' : adaptedBlocks.length}`,
      'name the backbone and the blocks it was trained with',
      { adapted: adaptedCount, blocks: blocks ?? null },
    );
  }
  notes.push(
    `${(blocks ?? 0) - adaptedCount} of ${blocks ?? 0} blocks are not adapted in this file: their B is zero`,
  );
  return adaptedBlocks;
}
