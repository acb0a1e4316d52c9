/**
 * Names under which files store a plain ViT, and the canonical name of each.
 *
 * Three spellings: timm (q, k and v fused into one qkv), Hugging Face transformers up to 4 (`encoder.layer.N.attention.attention.query`)
 * and transformers 5 (`layers.N.attention.q_proj`); the last two with or without a `vit.` prefix. A name that is in neither table
 * is refused, since it stands for something that would not be computed.
 */
import { InputError } from '#core/errors';

/** How a file spells its names. */
export type Spelling = 'timm' | 'hugging-face-query' | 'hugging-face-q_proj';

/** Canonical names of the parts outside the blocks, and how Hugging Face spells them. */
const outerNames: Readonly<Record<string, string>> = {
  cls_token: 'embeddings.cls_token',
  pos_embed: 'embeddings.position_embeddings',
  'patch_embed.proj': 'embeddings.patch_embeddings.projection',
  norm: 'layernorm',
};

/** Canonical names of a block's parts, and how both Hugging Face spellings write them. */
const blockNames: Readonly<Record<string, readonly [query: string, qProj: string]>> = {
  norm1: ['layernorm_before', 'layernorm_before'],
  'attn.q': ['attention.attention.query', 'attention.q_proj'],
  'attn.k': ['attention.attention.key', 'attention.k_proj'],
  'attn.v': ['attention.attention.value', 'attention.v_proj'],
  'attn.proj': ['attention.output.dense', 'attention.o_proj'],
  norm2: ['layernorm_after', 'layernorm_after'],
  'mlp.fc1': ['intermediate.dense', 'mlp.fc1'],
  'mlp.fc2': ['output.dense', 'mlp.fc2'],
};

/** The pretrained classifier and what belongs to it: left out, the task has its own head. */
const classifierNames: Readonly<Record<'timm' | 'hugging-face', RegExp>> = {
  timm: /^(?:head|pre_logits\.fc)\.(?:weight|bias)$/,
  'hugging-face': /^(?:classifier|(?:vit\.)?pooler\.dense)\.(?:weight|bias)$/,
};
/** Used in masked pretraining alone, never on whole images. */
const maskTokenName = /^(?:vit\.)?embeddings\.mask_token$/;

/** Names in files that stand for parts a plain ViT does not have. */
const foreignParts: readonly (readonly [RegExp, string])[] = [
  [/(?:\.ls[12]\.|layer_scale|lambda_[12]|gamma_[12])/, 'layer scale'],
  [/(?:reg_token|register_tokens)/, 'register tokens'],
  [/(?:dist_token|distillation_token|head_dist|distillation_classifier)/, 'a distillation token'],
  [/fc_norm/, 'average pooling (fc_norm)'],
  [/norm_pre|pre_layrnorm/, 'a norm before the blocks'],
  [/(?:q_norm|k_norm)/, 'a norm of q and k'],
  [/attn_pool/, 'attention pooling'],
  [/(?:rel_pos|relative_position|rope)/, 'relative or rotary positions'],
  [/(?:fc1_g|fc1_x|w12|w3)\./, 'a gated MLP'],
  [/\.(?:attn|mlp)\.norm\./, 'a norm inside attention or MLP'],
  [/^patch_embed\.backbone/, 'a convolutional stem'],
];

/** The parts outside the blocks. */
const outerParts = Object.keys(outerNames);
/** The parts of one block. */
const blockParts = Object.keys(blockNames);

const withLeaves = (part: string): string[] =>
  part === 'cls_token' || part === 'pos_embed' ? [part] : [`${part}.weight`, `${part}.bias`];

/** Every canonical name of a backbone with `blocks` blocks, outer parts first. */
export function canonicalNames(blocks: number): string[] {
  const names = outerParts.flatMap(withLeaves);
  for (let block = 0; block < blocks; block++) {
    names.push(...blockParts.flatMap((part) => withLeaves(`blocks.${block}.${part}`)));
  }
  return names;
}

/** How a spelling writes a canonical name; timm's fused `qkv` stands for q, k and v alike. */
export function spelledName(canonical: string, spelling: Spelling): string {
  const { block, part, leaf } = splitName(canonical);
  if (spelling === 'timm') {
    return canonical.replace(/\.attn\.[qkv]\.(weight|bias)$/, '.attn.qkv.$1');
  }
  if (block === null) return (outerNames[part] ?? part) + leaf;
  const [query, qProj] = blockNames[part] ?? [part, part];
  return spelling === 'hugging-face-query'
    ? `encoder.layer.${block}.${query}${leaf}`
    : `layers.${block}.${qProj}${leaf}`;
}

function splitName(canonical: string): { block: string | null; part: string; leaf: string } {
  const match = /^(?:blocks\.(\d+)\.)?(.*?)(\.weight|\.bias)?$/.exec(canonical);
  return { block: match?.[1] ?? null, part: match?.[2] ?? canonical, leaf: match?.[3] ?? '' };
}

/** How one file writes its names. */
export interface FileNames {
  readonly spelling: Spelling;
  /** `vit.` or nothing. */
  readonly prefix: string;
  /** L, counted from the names. */
  readonly blocks: number;
}

/**
 * Recognise a file's spelling by its names, and count its blocks.
 *
 * @param names - every name in the file
 * @throws InputError BACKBONE_UNSUPPORTED naming a part that a plain ViT does not have, or where no spelling fits
 */
export function recogniseNames(names: ReadonlySet<string>): FileNames {
  const refused = [...names].flatMap((name) => {
    const part = foreignParts.find(([pattern]) => pattern.test(name));
    return part === undefined ? [] : [{ name, what: part[1] }];
  })[0];
  if (refused !== undefined) {
    throw unsupported(`it has ${refused.what} (${shorten(refused.name)})`, refused.name);
  }
  const found = findSpelling(names);
  if (found === null) {
    throw unsupported('its names are neither those of timm nor those of Hugging Face ViT', '');
  }
  checkAllKnown(names, found);
  return found;
}

function findSpelling(names: ReadonlySet<string>): FileNames | null {
  const patterns: readonly (readonly [Spelling, RegExp])[] = [
    ['timm', /^()blocks\.(\d{1,4})\./],
    ['hugging-face-query', /^(vit\.)?encoder\.layer\.(\d{1,4})\./],
    ['hugging-face-q_proj', /^(vit\.)?layers\.(\d{1,4})\./],
  ];
  for (const [spelling, pattern] of patterns) {
    const matches = [...names].map((name) => pattern.exec(name)).filter(isPresent);
    const first = matches[0];
    if (first === undefined) continue;
    const blocks = 1 + Math.max(...matches.map((match) => Number(match[2])));
    return { spelling, prefix: first[1] ?? '', blocks };
  }
  return null;
}

const isPresent = <T>(value: T | null): value is T => value !== null;

function checkAllKnown(names: ReadonlySet<string>, found: FileNames): void {
  const known = new Set(
    canonicalNames(found.blocks).map((name) => found.prefix + spelledName(name, found.spelling)),
  );
  const classifier = classifierNames[found.spelling === 'timm' ? 'timm' : 'hugging-face'];
  for (const name of names) {
    if (known.has(name) || classifier.test(name)) continue;
    if (found.spelling !== 'timm' && maskTokenName.test(name)) continue;
    throw unsupported(`it has a tensor that a plain ViT does not have, ${shorten(name)}`, name);
  }
}

const shorten = (name: string): string => (name.length > 80 ? `${name.slice(0, 80)}...` : name);

/** Refuse a backbone that would be run almost right. */
export function unsupported(what: string, part: string): InputError {
  return new InputError(
    'BACKBONE_UNSUPPORTED',
    `backbone: expected a plain ViT (pre-norm, CLS token, exact GELU, biases everywhere), ${what}; use another file`,
    part === '' ? {} : { part: shorten(part) },
  );
}
