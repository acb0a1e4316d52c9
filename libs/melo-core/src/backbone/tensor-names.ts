/**
 * Names under which files store a ViT, and the canonical name of each.
 *
 * Spellings: timm's (q, k and v fused into one qkv); Hugging Face's ViT and DeiT up to transformers 4
 * (`encoder.layer.N.attention.attention.query`) and in transformers 5 (`layers.N.attention.q_proj`), its DINOv2, DINOv3 and CLIP; those of
 * Hugging Face with or without a prefix such as `vit.`. A name that is in no table is refused, since it stands for something that
 * would not be computed.
 */
import { InputError } from '#core/errors';
import { hasBias } from './architecture.ts';
import type { BackboneConfiguration, BackboneOptions } from './types.ts';

/** How a file spells its names. */
export type Spelling =
  | 'timm'
  | 'hugging-face-query'
  | 'hugging-face-q_proj'
  | 'hugging-face-dinov2'
  | 'hugging-face-dinov3'
  | 'hugging-face-clip';

/** What a spelling needs to be written and recognised. */
interface SpellingTable {
  /** A name inside a block; one group for the prefix of the whole file, one for the block's number. */
  readonly pattern: RegExp;
  /** The folder of the blocks. */
  readonly block: string;
  /** Canonical names of the parts, outside the blocks and in them, to those of the file; a part that is not here cannot be. */
  readonly names: Readonly<Record<string, string>>;
}

const embeddings = {
  cls_token: 'embeddings.cls_token',
  dist_token: 'embeddings.distillation_token',
  reg_token: 'embeddings.register_tokens',
  pos_embed: 'embeddings.position_embeddings',
  'patch_embed.proj': 'embeddings.patch_embeddings.projection',
  norm: 'layernorm',
};
const projections = { 'attn.q': 'q_proj', 'attn.k': 'k_proj', 'attn.v': 'v_proj' };
const under = (folder: string, names: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(names).map(([part, name]) => [part, `${folder}.${name}`]));

const queryNames = {
  'attn.q': 'attention.attention.query',
  'attn.k': 'attention.attention.key',
  'attn.v': 'attention.attention.value',
  'attn.proj': 'attention.output.dense',
};
const layerScales = { ls1: 'layer_scale1', ls2: 'layer_scale2' };

const huggingFaceTables: Readonly<Record<Exclude<Spelling, 'timm'>, SpellingTable>> = {
  'hugging-face-dinov2': {
    // The blocks of ViT are under the same folder: the name of this norm tells the two apart.
    pattern: /^((?:dinov2|dinov2_with_registers)\.)?encoder\.layer\.(\d{1,4})\.norm1\./,
    block: 'encoder.layer',
    names: {
      ...embeddings,
      ...queryNames,
      ...layerScales,
      norm1: 'norm1',
      norm2: 'norm2',
      'mlp.fc1': 'mlp.fc1',
      'mlp.fc2': 'mlp.fc2',
    },
  },
  'hugging-face-query': {
    pattern: /^((?:vit|deit)\.)?encoder\.layer\.(\d{1,4})\./,
    block: 'encoder.layer',
    names: {
      ...embeddings,
      ...queryNames,
      norm1: 'layernorm_before',
      norm2: 'layernorm_after',
      'mlp.fc1': 'intermediate.dense',
      'mlp.fc2': 'output.dense',
    },
  },
  'hugging-face-q_proj': {
    pattern: /^((?:vit|deit)\.)?layers\.(\d{1,4})\./,
    block: 'layers',
    names: {
      ...embeddings,
      ...under('attention', projections),
      'attn.proj': 'attention.o_proj',
      norm1: 'layernorm_before',
      norm2: 'layernorm_after',
      'mlp.fc1': 'mlp.fc1',
      'mlp.fc2': 'mlp.fc2',
    },
  },
  'hugging-face-dinov3': {
    pattern: /^((?:dinov3_vit\.|model\.)*)layer\.(\d{1,4})\./,
    block: 'layer',
    names: {
      ...embeddings,
      'patch_embed.proj': 'embeddings.patch_embeddings',
      norm: 'norm',
      ...under('attention', projections),
      ...layerScales,
      'attn.proj': 'attention.o_proj',
      norm1: 'norm1',
      norm2: 'norm2',
      'mlp.fc1': 'mlp.up_proj',
      'mlp.fc2': 'mlp.down_proj',
    },
  },
  'hugging-face-clip': {
    pattern: /^(vision_model\.)?encoder\.layers\.(\d{1,4})\./,
    block: 'encoder.layers',
    names: {
      cls_token: 'embeddings.class_embedding',
      pos_embed: 'embeddings.position_embedding.weight',
      'patch_embed.proj': 'embeddings.patch_embedding',
      norm_pre: 'pre_layrnorm', // so spelled in the files
      norm: 'post_layernorm',
      ...under('self_attn', projections),
      'attn.proj': 'self_attn.out_proj',
      norm1: 'layer_norm1',
      norm2: 'layer_norm2',
      'mlp.fc1': 'mlp.fc1',
      'mlp.fc2': 'mlp.fc2',
    },
  },
};
const timmPattern = /^()blocks\.(\d{1,4})\./;

/** The pretrained classifier and what belongs to it, and CLIP's other tower: left out, the task has its own head. */
const leftOut: readonly RegExp[] = [
  /^(?:head|head_dist|pre_logits\.fc)\.(?:weight|bias)$/,
  /^(?:classifier|cls_classifier|distillation_classifier|(?:(?:vit|deit)\.)?pooler\.dense)\.(?:weight|bias)$/,
  /^(?:logit_scale|(?:visual|text)_projection\.weight|text_model\..*)$/,
];
/** Used in masked pretraining alone, or a count of positions: never part of what an image passes through. */
const unusedName = /(?:^|\.)embeddings\.(?:mask_token|position_ids)$/;

/** Names in files that stand for parts that a backbone does not have, unless its configuration says so. */
const foreignParts: readonly (readonly [RegExp, string])[] = [
  [/(?:\.ls[12]\.|layer_scale|lambda_?[12]|gamma_[12])/, 'layer scale'],
  [/(?:reg_token|register_tokens)/, 'register tokens'],
  [/(?:dist_token|distillation_token)/, 'a distillation token'],
  [/fc_norm/, 'average pooling (fc_norm)'],
  [/norm_pre|pre_layrnorm/, 'a norm before the blocks'],
  [/(?:q_norm|k_norm)/, 'a norm of q and k'],
  [/attn_pool/, 'attention pooling'],
  [/(?:rel_pos|relative_position|rope)/, 'relative or rotary positions'],
  [/(?:fc1_g|fc1_x|w12|w3|gate_proj|weights_in|weights_out)\b/, 'a gated MLP'],
  [/\.(?:attn|mlp)\.norm\./, 'a norm inside attention or MLP'],
  [/^patch_embed\.backbone/, 'a convolutional stem'],
];

/** What decides which tensors there are. */
export type CanonicalParts = BackboneOptions & Pick<BackboneConfiguration, 'blocks' | 'pooling'>;

const pair = (part: string): string[] => [`${part}.weight`, `${part}.bias`];

/** Every canonical name of a backbone, outer parts first. */
export function canonicalNames(parts: CanonicalParts): string[] {
  const biased = (part: string, name: string): string[] =>
    hasBias(parts, part) ? pair(name) : [`${name}.weight`];
  const names = ['cls_token'];
  if (parts.pooling === 'cls-distillation') names.push('dist_token');
  if (parts.registers !== undefined) names.push('reg_token');
  if (parts.positions !== 'rotary') names.push('pos_embed');
  names.push(...biased('patch_embed', 'patch_embed.proj'));
  if (parts.hasNormBefore === true) names.push(...pair('norm_pre'));
  names.push(...pair('norm'));
  for (let index = 0; index < parts.blocks; index++) {
    const block = `blocks.${index}`;
    names.push(...pair(`${block}.norm1`));
    for (const part of ['q', 'k', 'v']) names.push(...biased(part, `${block}.attn.${part}`));
    names.push(...pair(`${block}.attn.proj`), ...pair(`${block}.norm2`));
    names.push(...pair(`${block}.mlp.fc1`), ...pair(`${block}.mlp.fc2`));
    if (parts.hasLayerScale === true) names.push(`${block}.ls1.gamma`, `${block}.ls2.gamma`);
  }
  return names;
}

/**
 * Tell how a spelling writes a canonical name, without the file's prefix; timm's fused `qkv` stands for q, k and v alike.
 *
 * @throws InputError BACKBONE_UNSUPPORTED where the spelling has no such part
 */
export function spelledName(canonical: string, spelling: Spelling): string {
  if (spelling === 'timm') {
    return canonical.replace(/\.attn\.[qkv]\.(weight|bias)$/, '.attn.qkv.$1');
  }
  const { block, part, leaf } = splitName(canonical);
  const table = huggingFaceTables[spelling];
  const name = table.names[part];
  if (name === undefined) throw unsupported(`its names have no place for ${part}`, part);
  const place = block === null ? name : `${table.block}.${block}.${name}`;
  return place + (leaf === '.gamma' ? '.lambda1' : leaf);
}

/**
 * The other names under which timm's Eva (DINOv3) writes what its VisionTransformer writes differently: a layer scale without a
 * module of its own, and biases of q and v apart from qkv.
 *
 * @returns the name in such a file, or null where there is no other
 */
export function evaName(canonical: string): string | null {
  const other = canonical
    .replace(/\.ls([12])\.gamma$/, '.gamma_$1')
    .replace(/\.attn\.([qv])\.bias$/, '.attn.$1_bias');
  return other === canonical ? null : other;
}

/** Both names that a timm file may have a canonical tensor under; the second where there is another. */
export function spelledTimmNames(canonical: string): string[] {
  const other = evaName(canonical);
  const name = spelledName(canonical, 'timm');
  return other === null ? [name] : [name, other];
}

function splitName(canonical: string): { block: string | null; part: string; leaf: string } {
  const match = /^(?:blocks\.(\d+)\.)?(.*?)(\.weight|\.bias|\.gamma)?$/.exec(canonical);
  return { block: match?.[1] ?? null, part: match?.[2] ?? canonical, leaf: match?.[3] ?? '' };
}

/** How one file writes its names. */
export interface FileNames {
  readonly spelling: Spelling;
  /** `vit.` or the like, or nothing. */
  readonly prefix: string;
  /** L, counted from the names. */
  readonly blocks: number;
}

/**
 * Recognise a file's spelling by its names, and count its blocks.
 *
 * @param names - every name in the file
 * @throws InputError BACKBONE_UNSUPPORTED where no spelling fits
 */
export function recogniseNames(names: ReadonlySet<string>): FileNames {
  const tables = Object.entries(huggingFaceTables).map(
    ([spelling, { pattern }]) => [spelling, pattern] as const,
  );
  const patterns: readonly (readonly [string, RegExp])[] = [['timm', timmPattern], ...tables];
  for (const [name, pattern] of patterns) {
    if (!isSpelling(name)) continue;
    const matches = [...names].map((each) => pattern.exec(each)).filter(isPresent);
    const first = matches[0];
    if (first === undefined) continue;
    const blocks = 1 + Math.max(...matches.map((match) => Number(match[2])));
    return { spelling: name, prefix: first[1] ?? '', blocks };
  }
  const foreign = findForeign(names);
  if (foreign !== null) throw foreign;
  throw unsupported('its names are neither those of timm nor those of Hugging Face', '');
}

const isSpelling = (name: string): name is Spelling =>
  name === 'timm' || Object.hasOwn(huggingFaceTables, name);
const isPresent = <T>(value: T | null): value is T => value !== null;

function findForeign(names: Iterable<string>): InputError | null {
  for (const name of names) {
    const part = foreignParts.find(([pattern]) => pattern.test(name));
    if (part !== undefined) return unsupported(`it has ${part[1]} (${shorten(name)})`, name);
  }
  return null;
}

/**
 * Check that a file has no tensor that would not be computed.
 *
 * @param names - every name in the file
 * @param known - those that are computed
 * @throws InputError BACKBONE_UNSUPPORTED naming the part that the backbone should not have
 */
export function checkAllKnown(names: ReadonlySet<string>, known: ReadonlySet<string>): void {
  const others = [...names].filter(
    (name) =>
      !known.has(name) && !unusedName.test(name) && !leftOut.some((pattern) => pattern.test(name)),
  );
  const foreign = findForeign(others);
  if (foreign !== null) throw foreign;
  const first = others[0];
  if (first === undefined) return;
  throw unsupported(`it has a tensor that such a ViT does not have, ${shorten(first)}`, first);
}

const shorten = (name: string): string => (name.length > 80 ? `${name.slice(0, 80)}...` : name);

/** Refuse a backbone that would be run almost right. */
export function unsupported(what: string, part: string): InputError {
  return new InputError(
    'BACKBONE_UNSUPPORTED',
    `backbone: expected a ViT that can be run exactly (plain, DeiT, DINOv2, DINOv3 or CLIP's image tower), ${what}; use another file`,
    part === '' ? {} : { part: shorten(part) },
  );
}
