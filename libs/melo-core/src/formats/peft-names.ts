/**
 * How Hugging Face PEFT names the tensors of a LoRA adapter of a vision transformer.
 *
 * `base_model.model.` + the module's path + `.lora_A.weight` (r,D) or `.lora_B.weight` (D,r). The path is transformers' own:
 * `vit.encoder.layer.N.attention.attention.query` up to release 4, `vit.layers.N.attention.q_proj` since release 5. The head is
 * saved whole through `modules_to_save`, as `base_model.model.classifier.weight` and `.bias`.
 *
 * The first word says what the head reads: below `vit` it is the class token. The classifiers of transformers for other models read
 * something else (DeiT the first of two tokens, CLIP the mean of the patches, DINOv2 both side by side), so another word is taken
 * only where the caller names it.
 *
 * @see https://github.com/huggingface/peft, `src/peft/utils/save_and_load.py`
 * @see https://github.com/huggingface/transformers, `models/vit/modeling_vit.py`
 */
import { shorten, unrepresentable } from './foreign.ts';

/** Which release of transformers the names are for. */
export type PeftNames = 'transformers-4' | 'transformers-5';

interface PathForm {
  readonly pattern: RegExp;
  readonly q: string;
  readonly v: string;
}

const pathForms: readonly PathForm[] = [
  {
    pattern: /^(.*?)encoder\.layer\.(\d{1,3})\.attention\.attention\.(query|value)$/,
    q: 'query',
    v: 'value',
  },
  { pattern: /^(.*?)layers\.(\d{1,3})\.attention\.(q_proj|v_proj)$/, q: 'q_proj', v: 'v_proj' },
  {
    pattern: /^(.*?)(?:encoder\.)?layers\.(\d{1,3})\.self_attn\.(q_proj|v_proj)$/,
    q: 'q_proj',
    v: 'v_proj',
  },
  {
    pattern: /^(.*?)(?:encoder\.)?layer\.(\d{1,3})\.attention\.(q_proj|v_proj)$/,
    q: 'q_proj',
    v: 'v_proj',
  },
];

/** A module that a LoRA pair belongs to. */
interface AdaptedModule {
  /** Of the form and what stands before the blocks: one in the whole file. */
  readonly tower: string;
  /** What stands before the blocks, e.g. `vit`. */
  readonly model: string;
  readonly block: number;
  readonly projection: 'q' | 'v';
}

/** What a file's names say. */
export interface PeftTensorNames {
  /** Names of lora_A and lora_B by `blocks.n.attn.q` and `blocks.n.attn.v`; one of the two may be missing. */
  readonly pairs: ReadonlyMap<string, { readonly A?: string; readonly B?: string }>;
  readonly headWeight: string | null;
  readonly headBias: string | null;
  /** Largest block's number + 1. */
  readonly blocks: number;
}

const loraName = /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/;
const headName =
  /^base_model\.model\.(?:classifier|head|score)(?:\.modules_to_save(?:\.default)?)?\.(weight|bias)$/;

function adaptedModule(path: string): AdaptedModule {
  for (const [index, { pattern, q }] of pathForms.entries()) {
    const match = pattern.exec(path);
    if (match === null) continue;
    const [, stem = '', block = '', word = ''] = match;
    return {
      tower: `${index}/${stem}`,
      model: stem.replace(/\.$/, ''),
      block: Number(block),
      projection: word === q ? 'q' : 'v',
    };
  }
  const what = /\.qkv$/.test(path)
    ? `it adapts the fused ${shorten(path)}, whose pair is shared by query, key and value`
    : `it adapts ${shorten(path)}, which is neither query nor value of a block`;
  throw unrepresentable('peft', what, 'train one with target_modules query and value', {
    module: shorten(path),
  });
}

/**
 * Sort a file's names into pairs and head.
 *
 * @param model - what holds the vision model, `vit` for transformers' own; nothing before the blocks is taken too
 * @throws InputError ADAPTER_UNSUPPORTED naming the first tensor that has no place in our layout
 */
export function recognisePeftNames(names: Iterable<string>, model: string): PeftTensorNames {
  const pairs = new Map<string, { A?: string; B?: string }>();
  const head: { weight?: string; bias?: string } = {};
  const towers = new Set<string>();
  let blocks = 0;
  for (const name of names) {
    const lora = loraName.exec(name);
    if (lora === null) {
      recogniseHead(head, name);
      continue;
    }
    const { tower, block, projection, model: found } = adaptedModule(lora[1] ?? '');
    if (found !== model && found !== '') throw otherModel(found, model);
    if (towers.add(tower).size > 1) {
      throw unrepresentable(
        'peft',
        `it adapts two towers or spells its modules in two ways (${shorten(name)})`,
        'train one on the vision model alone',
        { tensor: shorten(name) },
      );
    }
    const key = `blocks.${block}.attn.${projection}`;
    const pair = pairs.get(key) ?? {};
    const side = lora[2] === 'A' ? 'A' : 'B';
    if (pair[side] !== undefined) throw repeated(name);
    pairs.set(key, { ...pair, [side]: name });
    blocks = Math.max(blocks, block + 1);
  }
  return { pairs, headWeight: head.weight ?? null, headBias: head.bias ?? null, blocks };
}

function recogniseHead(head: { weight?: string; bias?: string }, name: string): void {
  const leaf = headName.exec(name)?.[1];
  if (leaf !== 'weight' && leaf !== 'bias') {
    throw unrepresentable(
      'peft',
      `it has ${shorten(name)}, which is neither a LoRA pair of query or value nor the head`,
      'save one with modules_to_save: [classifier] and plain LoRA',
      { tensor: shorten(name) },
    );
  }
  if (head[leaf] !== undefined) throw repeated(name);
  head[leaf] = name;
}

function otherModel(found: string, model: string): ReturnType<typeof unrepresentable> {
  return unrepresentable(
    'peft',
    `it adapts ${shorten(found)}, expected ${model}: what the head of another model reads is not known`,
    'name the model (--peft-model) if its head reads the class token after the last norm',
    { model: shorten(found) },
  );
}

function repeated(name: string): ReturnType<typeof unrepresentable> {
  return unrepresentable(
    'peft',
    `it has a second tensor for one place (${shorten(name)})`,
    'save it again with one active adapter',
    { tensor: shorten(name) },
  );
}

/** Names of a pair for one release of transformers; `model` is the attribute that holds the vision model, e.g. `vit`. */
export function peftPairNames(
  names: PeftNames,
  model: string,
  block: number,
  projection: 'q' | 'v',
): { readonly A: string; readonly B: string } {
  const modules = peftTargetModules(names);
  const module = projection === 'q' ? modules[0] : modules[1];
  const path =
    names === 'transformers-4'
      ? `encoder.layer.${block}.attention.attention.${module}`
      : `layers.${block}.attention.${module}`;
  const stem = `base_model.model.${model === '' ? '' : `${model}.`}${path}`;
  return { A: `${stem}.lora_A.weight`, B: `${stem}.lora_B.weight` };
}

/** What `target_modules` has to be: the words for query and value. */
export function peftTargetModules(names: PeftNames): readonly [q: string, v: string] {
  return names === 'transformers-4' ? ['query', 'value'] : ['q_proj', 'v_proj'];
}

/** Words of `target_modules` that mean query, and those that mean value. */
export const projectionWords: Readonly<Record<'q' | 'v', readonly string[]>> = {
  q: ['query', 'q_proj', 'attention.query', 'attention.q_proj', 'self_attn.q_proj'],
  v: ['value', 'v_proj', 'attention.value', 'attention.v_proj', 'self_attn.v_proj'],
};

/** The head's two names. */
export const peftHeadNames = {
  weight: 'base_model.model.classifier.weight',
  bias: 'base_model.model.classifier.bias',
} as const;
