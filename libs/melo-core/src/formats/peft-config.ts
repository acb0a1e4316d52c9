/**
 * `adapter_config.json` of Hugging Face PEFT: what of it decides what an adapter computes, and what must not be set.
 *
 * The file of each release has more fields than the one before. A field that is not known here and is set (not null, false or
 * empty) is refused by name, since it may change what is computed.
 *
 * @see https://github.com/huggingface/peft, `src/peft/tuners/lora/config.py`
 */
import { z } from 'zod';
import { InputError } from '#core/errors';
import { shorten, unrepresentable } from './foreign.ts';
import { peftTargetModules, projectionWords, type PeftNames } from './peft-names.ts';

const wordsSchema = z.union([z.string().max(4096), z.array(z.string().max(1024)).max(4096)]);
const patternSchema = z.record(z.string(), z.number()).nullish();

const configSchema = z.looseObject({
  peft_type: z.string().max(64),
  r: z.number().int().min(1).max(65_536),
  lora_alpha: z.number().positive().max(1e6),
  use_rslora: z.boolean().nullish(),
  bias: z.string().max(64).nullish(),
  init_lora_weights: z.union([z.boolean(), z.string().max(64)]).nullish(),
  target_modules: wordsSchema.nullish(),
  layers_to_transform: z
    .union([z.number().int().min(0), z.array(z.number().int().min(0)).max(1024)])
    .nullish(),
  modules_to_save: z.array(z.string().max(1024)).max(4096).nullish(),
  rank_pattern: patternSchema,
  alpha_pattern: patternSchema,
});

/** Fields that do not change what a saved adapter computes, whatever they are. */
const neutralFields: ReadonlySet<string> = new Set([
  ...Object.keys(configSchema.shape),
  ...['auto_mapping', 'base_model_name_or_path', 'peft_version', 'revision', 'task_type'],
  ...['inference_mode', 'lora_dropout', 'exclude_modules', 'layers_pattern', 'runtime_config'],
  ...['eva_config', 'megatron_core', 'qalora_group_size', 'ensure_weight_tying'],
  // Of the frozen weight's storage alone; the pair acts on activations either way.
  'fan_in_fan_out',
]);

/** Ways to begin that leave the frozen weights as they were; the others need changed ones. */
const plainBeginnings: ReadonlySet<unknown> = new Set([
  ...[undefined, null, true, false],
  ...['gaussian', 'eva', 'orthogonal'],
]);

/** What of a configuration matters here. */
export interface PeftConfig {
  readonly rank: number;
  /** Such that W' = W + (alpha / r) B A: lora_alpha, times sqrt(r) with use_rslora, which divides by sqrt(r) alone. */
  readonly alpha: number;
  /** Projections that the configuration says are adapted; null where it says so by a pattern and the tensors decide. */
  readonly projections: ReadonlySet<'q' | 'v'> | null;
  /** Blocks that it says are adapted; null for all. */
  readonly blocks: ReadonlySet<number> | null;
}

function isUnset(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

const remedy = 'train a plain LoRA of query and value, or merge it with its own tool';

/**
 * Read a parsed `adapter_config.json`.
 *
 * @throws InputError ADAPTER_INVALID where a field is missing or does not fit
 * @throws InputError ADAPTER_UNSUPPORTED naming what changes the computation and cannot be kept
 */
export function readPeftConfig(config: unknown): PeftConfig {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.') || 'the file';
    throw new InputError(
      'ADAPTER_INVALID',
      `adapter_config.json: expected the configuration of a LoRA adapter, ${shorten(field)} is missing or does not fit; use the file that was saved with the weights`,
      { field: shorten(field) },
      { cause: parsed.error },
    );
  }
  const { data } = parsed;
  checkRepresentable(data);
  checkUniform('rank_pattern', data.rank_pattern, data.r);
  checkUniform('alpha_pattern', data.alpha_pattern, data.lora_alpha);
  const layers = data.layers_to_transform;
  return {
    rank: data.r,
    alpha: data.lora_alpha * (data.use_rslora === true ? Math.sqrt(data.r) : 1),
    projections: targetedProjections(data.target_modules),
    blocks: layers === null || layers === undefined ? null : new Set([layers].flat()),
  };
}

function checkRepresentable(config: z.infer<typeof configSchema>): void {
  if (config.peft_type !== 'LORA') {
    const what = `its method is ${shorten(config.peft_type)}, not LORA`;
    throw unrepresentable('peft', what, remedy, { field: 'peft_type' });
  }
  if ((config.bias ?? 'none') !== 'none') {
    const what = `it trains biases of the backbone (bias: ${shorten(String(config.bias))})`;
    throw unrepresentable('peft', what, remedy, { field: 'bias' });
  }
  if (!plainBeginnings.has(config.init_lora_weights)) {
    const what = `it begins by changing the frozen weights (init_lora_weights: ${String(config.init_lora_weights)})`;
    throw unrepresentable('peft', what, 'save it converted to plain LoRA', {
      field: 'init_lora_weights',
    });
  }
  for (const [field, value] of Object.entries(config)) {
    if (neutralFields.has(field) || isUnset(value)) continue;
    throw unrepresentable('peft', `its configuration sets ${shorten(field)}`, remedy, {
      field: shorten(field),
    });
  }
}

function checkUniform(
  field: string,
  pattern: Readonly<Record<string, number>> | null | undefined,
  everywhere: number,
): void {
  const other = Object.entries(pattern ?? {}).find(([, value]) => value !== everywhere);
  if (other === undefined) return;
  const what = `its ${field} is not uniform (${shorten(other[0])})`;
  throw unrepresentable('peft', what, 'train one with the same rank and alpha everywhere', {
    field,
  });
}

function targetedProjections(
  modules: z.infer<typeof wordsSchema> | null | undefined,
): ReadonlySet<'q' | 'v'> | null {
  if (!Array.isArray(modules)) return null;
  const isNamed = (words: readonly string[]): boolean =>
    modules.some((module) => words.some((word) => module === word || module.endsWith(`.${word}`)));
  const found = (['q', 'v'] as const).filter((projection) => isNamed(projectionWords[projection]));
  return new Set(found);
}

/**
 * Write an `adapter_config.json`, with the fields that every release since PEFT 0.4 knows.
 *
 * @param options - `alpha`: PEFT applies alpha / rank, a real number as ours
 */
export function peftConfig(options: {
  readonly rank: number;
  readonly alpha: number;
  readonly names: PeftNames;
}): Readonly<Record<string, unknown>> {
  return {
    auto_mapping: null,
    base_model_name_or_path: null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: options.alpha,
    lora_dropout: 0,
    modules_to_save: ['classifier'],
    peft_type: 'LORA',
    r: options.rank,
    revision: null,
    target_modules: [...peftTargetModules(options.names)],
    task_type: null,
  };
}
