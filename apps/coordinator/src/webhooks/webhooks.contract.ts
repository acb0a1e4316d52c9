/** REST routes of webhooks: addresses that are told of alerts, for administrators alone. */
import { z } from 'zod';
import { commandRoles, defineRoute, nothing, timeMs } from '../common/contract.ts';
import { keyBig, keyText, nextCursor, pageQuery } from '../common/pages.contract.ts';

/** What may be told of. */
export const alertKindSchema = z.enum(['site-silent', 'round-abandoned', 'disk-low', 'key-old']);
/** What may be told of. */
export type AlertKind = z.infer<typeof alertKindSchema>;

/** What lasts until it is over; the rest happens once. */
export const conditionKindSchema = alertKindSchema.exclude(['round-abandoned']);
/** What lasts until it is over. */
export type ConditionKind = z.infer<typeof conditionKindSchema>;

/** Whether it began or happened, or is over. */
export const alertStateSchema = z.enum(['raised', 'resolved']);

const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** An address that may be told: https, or http on this machine; no name and password in it. */
function isDestination(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopbackHosts.has(url.hostname));
}

/** An address that may be told. */
export const destinationSchema = z
  .string()
  .max(512)
  .regex(/^https?:\/\/[\x21-\x7e]+$/, 'expected an http or https address')
  .refine(
    isDestination,
    "expected https, or http to the coordinator's own machine, without a name, a password or a # in it",
  );

/** Name of a webhook. */
export const webhookIdSchema = z.string().regex(/^wh-[0-9a-f]{16}$/, 'expected wh- and 16 digits');

/** A webhook as people see it; its secret is told once, when it is made. */
export const webhookViewSchema = z.strictObject({
  webhook: webhookIdSchema,
  url: z.string(),
  kinds: z.array(alertKindSchema),
  createdAtMs: timeMs,
  /** What is waiting to be sent. */
  pending: z.number().int(),
});
/** A webhook as people see it. */
export type WebhookView = z.infer<typeof webhookViewSchema>;

/** What an address is told: the body of the request. */
export const alertBodySchema = z.strictObject({
  version: z.literal(1),
  /** The same for every attempt at this delivery; also the header `webhook-id`. */
  id: z.string().regex(/^msg_[0-9a-f]{32}$/),
  /** The same where it is raised and where it is resolved. */
  alert: z.string().regex(/^alert_[0-9a-f]{32}$/),
  kind: z.enum([...alertKindSchema.options, 'test']),
  state: alertStateSchema,
  federation: z.string(),
  /** What it is about, e.g. `site:north`. */
  subject: z.string(),
  /** When it was seen. */
  atMs: timeMs,
  /** In a sentence, for people. */
  summary: z.string(),
  /** The same in numbers, for programs. */
  details: z.record(z.string(), z.number()),
});
/** What an address is told. */
export type AlertBody = z.infer<typeof alertBodySchema>;

const { shape: bodyShape } = alertBodySchema;

/** One alert to one address. */
export const deliveryViewSchema = z.strictObject({
  /** Grows with every delivery. */
  delivery: z.number().int(),
  webhook: webhookIdSchema,
  /** What the address knows it by: the header `webhook-id`. */
  id: bodyShape.id,
  alert: bodyShape.alert,
  kind: bodyShape.kind,
  state: alertStateSchema,
  subject: z.string(),
  summary: z.string(),
  /** `failed` was given up after the last attempt. */
  status: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.number().int(),
  createdAtMs: timeMs,
  /** When it is sent next, no earlier; null unless it is pending. */
  nextAtMs: timeMs.nullable(),
  deliveredAtMs: timeMs.nullable(),
  /** What the last attempt came to: an HTTP status or a word; null before the first. */
  lastOutcome: z.string().nullable(),
});
/** One alert to one address. */
export type DeliveryView = z.infer<typeof deliveryViewSchema>;

const webhookParams = z.strictObject({ webhook: webhookIdSchema.describe('Name of a webhook.') });

/** An address can carry a password of its receiver, so no token reads one by `read` alone. */
const scope = 'everything';

const webhooksQuery = z.strictObject(
  pageQuery(z.tuple([keyBig, keyText]), { byDefault: 50, max: 200 }),
);
/** Which webhooks are listed. */
export type WebhooksQuery = z.output<typeof webhooksQuery>;
const deliveriesQuery = z.strictObject(pageQuery(z.tuple([keyBig]), { byDefault: 50, max: 200 }));
/** Which deliveries are listed. */
export type DeliveriesQuery = z.output<typeof deliveriesQuery>;

/** REST routes of webhooks. */
export const webhookRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/webhooks',
    summary: 'List the addresses that are told of alerts, oldest first, without their secrets',
    roles: commandRoles,
    scope,
    query: webhooksQuery,
    response: z.strictObject({ webhooks: z.array(webhookViewSchema), nextCursor }),
  }),
  create: defineRoute({
    method: 'POST',
    path: '/v1/webhooks',
    summary:
      'Tell an address of what holds now and of alerts from now on; its secret is shown once',
    roles: commandRoles,
    scope,
    body: z.strictObject({
      url: destinationSchema,
      /** Every kind where left out. */
      kinds: z
        .array(alertKindSchema)
        .min(1)
        .max(alertKindSchema.options.length)
        .default([...alertKindSchema.options]),
    }),
    response: z.strictObject({ webhook: webhookViewSchema, secret: z.string() }),
    status: 201,
  }),
  remove: defineRoute({
    method: 'DELETE',
    path: '/v1/webhooks/:webhook',
    summary: 'Tell an address nothing any more, and forget what it was told',
    roles: commandRoles,
    scope,
    params: webhookParams,
    response: nothing,
  }),
  test: defineRoute({
    method: 'POST',
    path: '/v1/webhooks/:webhook/test',
    summary: 'Send a test to an address, once; its delivery shows what came of it',
    roles: commandRoles,
    scope,
    params: webhookParams,
    response: deliveryViewSchema,
    status: 202,
  }),
  deliveries: defineRoute({
    method: 'GET',
    path: '/v1/webhooks/:webhook/deliveries',
    summary: 'List what an address was told in the last 30 days, newest first',
    roles: commandRoles,
    scope,
    params: webhookParams,
    query: deliveriesQuery,
    response: z.strictObject({ deliveries: z.array(deliveryViewSchema), nextCursor }),
  }),
} as const;
