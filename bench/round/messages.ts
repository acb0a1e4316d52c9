/** What the benchmark and its site processes say to each other over IPC. */
import { z } from 'zod';
import {
  adapterVersionSchema,
  backboneReferenceSchema,
  siteIdSchema,
  taskIdSchema,
} from '#core/protocol';

/** What the benchmark tells a site process. */
export const orderSchema = z.discriminatedUnion('order', [
  z.strictObject({
    order: z.literal('enroll'),
    site: siteIdSchema,
    url: z.string(),
    code: z.string(),
    task: taskIdSchema,
    backbone: backboneReferenceSchema,
  }),
  z.strictObject({ order: z.literal('connect') }),
  /** Answered once the site knows this version. */
  z.strictObject({ order: z.literal('await'), version: adapterVersionSchema }),
]);
/** What the benchmark tells a site process. */
export type Order = z.infer<typeof orderSchema>;

/** What a site process answers. */
export const replySchema = z.strictObject({ done: z.enum(['enroll', 'connect', 'await']) });
/** What a site process answers. */
export type Reply = z.infer<typeof replySchema>;
