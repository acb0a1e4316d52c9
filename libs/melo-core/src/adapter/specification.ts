/**
 * What an adapter is before it has values: rank, scale, classes and the backbone's width and depth.
 *
 * Every block is adapted, at q and v (MeLo). The scale is an explicit number and what is applied; `alpha` is kept beside it
 * because other tools ask for it. Natively scale = alpha / rank with a real division.
 */
import { z } from 'zod';
import { InputError } from '#core/errors';
import { classesSchema, poolingSchema } from '#core/protocol';
import type { Pooling } from '#core/protocol';

/** Ranges of an adapter's specification. */
export const adapterSpecificationSchema = z.strictObject({
  /** r, the inner width of each low-rank pair. */
  rank: z.number().int().min(1).max(64),
  alpha: z.number().positive().max(4096),
  /** s in W' = W + s B A; zero would make the adapter dead and is refused. */
  scale: z.number().positive().max(4096),
  classes: classesSchema,
  /** D of the backbone. */
  dimension: z.number().int().min(1).max(8192),
  /** L of the backbone. */
  blocks: z.number().int().min(1).max(256),
  /** What the head reads; left out where it is the class token, as in specifications that knew no other. */
  pooling: poolingSchema.exclude(['cls']).exactOptional(),
});

/** What decides an adapter's tensors and how they act. */
export interface AdapterSpecification {
  readonly rank: number;
  readonly alpha: number;
  readonly scale: number;
  readonly classes: readonly string[];
  readonly dimension: number;
  readonly blocks: number;
  /** What the head reads; the class token where it is left out. */
  readonly pooling?: Pooling;
}

/**
 * Return `specification` if every part is in range.
 *
 * @throws InputError ADAPTER_SPEC_INVALID naming the first part that is not
 */
export function checkSpecification(specification: AdapterSpecification): AdapterSpecification {
  const { rank, alpha, scale, classes, dimension, blocks, pooling = 'cls' } = specification;
  const parsed = adapterSpecificationSchema.safeParse({
    rank,
    alpha,
    scale,
    classes,
    dimension,
    blocks,
    ...(pooling === 'cls' ? {} : { pooling }),
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.join('.') ?? '';
  throw new InputError(
    'ADAPTER_SPEC_INVALID',
    `adapter specification: ${path}: ${issue?.message ?? 'out of range'}; correct the task definition`,
    { path },
    { cause: parsed.error },
  );
}

/**
 * Make a specification with the native scale, alpha / rank.
 *
 * @throws InputError ADAPTER_SPEC_INVALID if a part is out of range
 */
export function adapterSpecification(
  parts: Omit<AdapterSpecification, 'scale'>,
): AdapterSpecification {
  return checkSpecification({ ...parts, scale: parts.alpha / parts.rank });
}

/**
 * Count the numbers in all A and B: 4 L D r (q and v, A and B, every block). The head is not counted.
 *
 * @see Zhu et al. 2023, MeLo, https://arxiv.org/abs/2311.08236 (0.14 M for ViT-B at r = 4, in units of 2^20)
 */
export function loraParameterCount({
  dimension,
  blocks,
  rank,
}: {
  readonly dimension: number;
  readonly blocks: number;
  readonly rank: number;
}): number {
  return 4 * blocks * dimension * rank;
}
