/** What the benchmark says to a side, and what a side answers. */
import { z } from 'zod';

/** What a side holds. */
export const sideOptionsSchema = z.strictObject({
  sites: z.number().int(),
  /** Numbers of A and B; the adapter has a head beside them. */
  params: z.number().int(),
});
/** What a side holds. */
export type SideOptions = z.infer<typeof sideOptionsSchema>;

/** One turn: seconds of each run, and how much the peak of resident memory rose over the updates themselves. */
export const turnSchema = z.object({
  seconds: z.array(z.number()),
  extraBytes: z.number(),
});
/** One turn. */
export type Turn = z.infer<typeof turnSchema>;
