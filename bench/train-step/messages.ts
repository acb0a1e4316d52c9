/** What the benchmark and a side of it (ours, the products', PyTorch's) say to each other, one JSON line each. */
import { z } from 'zod';
import { backboneSizes } from '#core/backbone';

const names = Object.keys(backboneSizes);

/** A name in `backboneSizes`, with the numbers of that size and the patch of its usual files. */
export const shapeSchema = z.strictObject({
  name: z.string().refine((name) => names.includes(name)),
  dimension: z.number().int().min(1),
  blocks: z.number().int().min(1),
  heads: z.number().int().min(1),
  mlpDimension: z.number().int().min(1),
  patchSize: z.number().int().min(1),
  imageSize: z.number().int().min(1),
});
/** The shapes of a backbone. */
export type Shape = z.infer<typeof shapeSchema>;

/** What one of our own sides is started with: its one argument, as JSON. */
export const sideOptionsSchema = z.strictObject({
  shape: shapeSchema,
  /** Folder of the backbone's files. */
  backbone: z.string(),
  cacheDirectory: z.string(),
  rank: z.number().int().min(1),
  classes: z.number().int().min(2),
  batch: z.number().int().min(1),
  threads: z.number().int().min(1),
  /** Whether idle threads wait awake. */
  isAlone: z.boolean(),
});
/** What one of our own sides is started with. */
export type SideOptions = z.infer<typeof sideOptionsSchema>;

/** The only order: take so many steps. */
export const orderSchema = z.strictObject({ steps: z.number().int().min(1) });

/** PyTorch's answer to the order to run chains of products: its best rate. */
export const productsSchema = z.object({ flopsPerSecond: z.number().positive() });

/** The first line of a side: it is ready. */
export const readySchema = z.object({
  library: z.string(),
  startSeconds: z.number(),
  /** Numbers that are trained; absent where nothing is. */
  trained: z.number().int().optional(),
});
/** The first line of a side. */
export type Ready = z.infer<typeof readySchema>;

/** The answer to an order. */
export const turnSchema = z.object({
  wallSeconds: z.array(z.number()),
  processorSeconds: z.array(z.number()),
  /** Largest resident memory of the process so far. */
  peakBytes: z.number(),
});
/** The answer to an order: one number a step. */
export type Turn = z.infer<typeof turnSchema>;
