/** Adapters of Hugging Face PEFT, read and written: `adapter_model.safetensors` with `adapter_config.json` beside it. */
import {
  decodeSafetensors,
  encodeSafetensors,
  tensorView,
  type AdapterFile,
  type SafetensorsFile,
} from '#core/adapter';
import {
  assembleForeign,
  checkClassToken,
  matrixShape,
  projectionNames,
  readForeignTensor,
  shorten,
  unrepresentable,
  type ForeignAdapter,
  type LowRankPair,
} from './foreign.ts';
import { originMetadata, readOrigin } from './origin.ts';
import { peftConfig, readPeftConfig, type PeftConfig } from './peft-config.ts';
import {
  peftHeadNames,
  peftPairNames,
  recognisePeftNames,
  type PeftNames,
  type PeftTensorNames,
} from './peft-names.ts';

/**
 * Read an adapter that PEFT saved; every number is exact (float16 and bfloat16 are widened).
 *
 * @param options - `bytes`: of `adapter_model.safetensors`; `config`: parsed `adapter_config.json`;
 *   `blocks`: L of the backbone; without it the largest block that is named decides;
 *   `model`: the attribute that holds the vision model, `vit` by default, whose head reads the class token
 * @throws InputError ADAPTER_UNSUPPORTED naming what our layout cannot hold exactly
 * @throws InputError ADAPTER_INVALID, SAFETENSORS_INVALID, TENSOR_MISSING, TENSOR_SHAPE_MISMATCH,
 *   TENSOR_DTYPE_UNSUPPORTED or NON_FINITE_UPDATE where a file is damaged
 */
export function decodePeft(options: {
  readonly bytes: Uint8Array;
  readonly config: unknown;
  readonly blocks?: number | undefined;
  readonly model?: string | undefined;
}): ForeignAdapter {
  const config = readPeftConfig(options.config);
  const file = decodeSafetensors(options.bytes);
  const names = recognisePeftNames(file.tensors.keys(), options.model ?? 'vit');
  const blocks = countBlocks(names, config, options.blocks);
  const headWeightName = requireHead(names);
  const [classes, dimension] = matrixShape(file, headWeightName);
  checkHeadWidth(file, names, dimension);
  const notes: string[] = [];
  const pairs = new Map<string, LowRankPair>();
  for (const projection of projectionNames(blocks)) {
    const pair = names.pairs.get(projection);
    if (pair === undefined && !isExpected(projection, config)) continue;
    const { A = `lora_A of ${projection}`, B = `lora_B of ${projection}` } = pair ?? {};
    const a = readForeignTensor(file, A, [config.rank, dimension]); // (r,D)
    pairs.set(projection, { a, b: readForeignTensor(file, B, [dimension, config.rank]) }); // (D,r)
  }
  const absent = 2 * blocks - pairs.size;
  if (absent > 0) {
    notes.push(
      `${absent} of ${2 * blocks} query and value matrices are not adapted in this file: their B is zero`,
    );
  }
  if (names.headBias === null) notes.push('the head has no bias in this file: zeros are used');
  return assembleForeign({
    ...{ format: 'peft', rank: config.rank, alpha: config.alpha, dimension, blocks, pairs, notes },
    headWeight: readForeignTensor(file, headWeightName, [classes, dimension]),
    headBias:
      names.headBias === null
        ? new Float32Array(classes)
        : readForeignTensor(file, names.headBias, [classes]),
    origin: readOrigin(file.metadata),
  });
}

/** The head must read a token of the blocks' own width; DINOv2's classifier of transformers reads two, one beside the other. */
function checkHeadWidth(file: SafetensorsFile, names: PeftTensorNames, dimension: number): void {
  const [first] = names.pairs.values();
  if (first?.A === undefined) return;
  const [, width] = matrixShape(file, first.A);
  if (dimension === width) return;
  throw unrepresentable(
    'peft',
    `its head reads ${dimension} numbers, a token has ${width}`,
    'train one whose head reads the class token alone',
    { dimension, width },
  );
}

/** Where the configuration names its targets one by one, a pair that it names must be there. */
function isExpected(projection: string, { projections, blocks }: PeftConfig): boolean {
  const [, block, , letter] = projection.split('.');
  const isBlockNamed = blocks === null || blocks.has(Number(block));
  if (projections === null) return false;
  return isBlockNamed && projections.has(letter === 'q' ? 'q' : 'v');
}

function requireHead(names: PeftTensorNames): string {
  if (names.headWeight !== null) return names.headWeight;
  throw unrepresentable(
    'peft',
    'it saves no head',
    'train and save one with modules_to_save: [classifier]',
    { tensor: peftHeadNames.weight },
  );
}

function countBlocks(
  names: PeftTensorNames,
  config: PeftConfig,
  stated: number | undefined,
): number {
  if (names.blocks === 0) {
    throw unrepresentable('peft', 'it has no LoRA pair', 'save it with get_peft_model_state_dict');
  }
  if (stated === undefined && config.blocks !== null) {
    throw unrepresentable(
      'peft',
      'it adapts some blocks alone (layers_to_transform), and how many the backbone has is not known',
      'name the backbone',
      { field: 'layers_to_transform' },
    );
  }
  if (stated !== undefined && names.blocks > stated) {
    throw unrepresentable(
      'peft',
      `it adapts block ${names.blocks - 1}, the backbone has ${stated} blocks`,
      'name the backbone it was trained on',
      { blocks: names.blocks, expected: stated },
    );
  }
  return stated ?? names.blocks;
}

/** The two files of a PEFT adapter. */
export interface PeftFiles {
  /** `adapter_model.safetensors`. */
  readonly bytes: Uint8Array;
  /** `adapter_config.json`, to be written as JSON. */
  readonly config: Readonly<Record<string, unknown>>;
}

const modelPattern = /^(?:[a-z][a-z0-9_]{0,31})?$/;

/**
 * Write an adapter as PEFT does; every number is kept, and the card goes along as metadata.
 *
 * @param file    - a decoded adapter
 * @param options - `names`: of which release of transformers;
 *   `model`: the attribute of the classification model that holds the vision model, `vit` by default, empty for none
 * @throws RangeError where `model` is no plain attribute
 * @throws InputError ADAPTER_UNSUPPORTED where the head does not read the class token
 */
export function encodePeft(
  file: AdapterFile,
  options: { readonly names: PeftNames; readonly model?: string },
): PeftFiles {
  const { names, model = 'vit' } = options;
  if (!modelPattern.test(model)) {
    throw new RangeError(`model: expected a plain attribute such as vit, got ${shorten(model)}`);
  }
  const { specification, layout, values } = file;
  checkClassToken(specification, 'peft');
  const { rank, alpha, blocks, dimension, classes } = specification;
  const view = (name: string): Float32Array => tensorView(layout, values, name);
  const pairs = Array.from({ length: blocks }, (_, block) =>
    (['q', 'v'] as const).flatMap((projection) => {
      const { A, B } = peftPairNames(names, model, block, projection);
      const ours = `blocks.${block}.attn.${projection}`;
      return [
        { name: A, shape: [rank, dimension], values: view(`${ours}.lora_A`) },
        { name: B, shape: [dimension, rank], values: view(`${ours}.lora_B`) },
      ];
    }),
  ).flat();
  const tensors = [
    ...pairs,
    {
      name: peftHeadNames.weight,
      shape: [classes.length, dimension],
      values: view('head.weight'),
    },
    { name: peftHeadNames.bias, shape: [classes.length], values: view('head.bias') },
  ];
  return {
    bytes: encodeSafetensors({ tensors, metadata: originMetadata(file) }),
    config: peftConfig({ rank, alpha, names }),
  };
}
