/** How a site's local round departs from plain training, as data with bounded ranges; signed with RoundOpen. */
import { z } from 'zod';

/** What stays at a site: its own head, or its own B of every pair. */
export const privatePartSchema = z.enum(['head', 'lora_B']);
/** What stays at a site. */
export type PrivatePart = z.infer<typeof privatePartSchema>;

/** A site's step; a task without it trains plainly. Agents before 0.2.0 know none of it. */
export const siteStepSchema = z.strictObject({
  /** mu of FedProx: the gradient gets mu (w - w_global) for all that is shared; off where left out. */
  proximalWeight: z.number().positive().max(100).exactOptional(),
  /** Train with logits shifted by the logarithm of the site's own share of each class, so that the head need not learn the shares. */
  classPriorCorrection: z.boolean().default(false),
  /** Trained at the site and never sent: each site has an adapter of its own; nothing where left out. */
  privatePart: privatePartSchema.exactOptional(),
  /** `kept`: AdamW goes on with the moments that this site's last round ended with. */
  optimiserState: z.enum(['fresh', 'kept']).default('fresh'),
});
/** A site's step. */
export type SiteStep = z.infer<typeof siteStepSchema>;

/** Tell whether a tensor belongs to what stays at a site. */
export function isPrivateTensor(name: string, part: PrivatePart | undefined): boolean {
  if (part === undefined) return false;
  return part === 'head' ? name.startsWith('head.') : name.endsWith('.lora_B');
}

/** Tell whether rounds hand something on from one to the next within a site. */
export function keepsSiteState(step: SiteStep | undefined): boolean {
  return step?.privatePart !== undefined || step?.optimiserState === 'kept';
}
