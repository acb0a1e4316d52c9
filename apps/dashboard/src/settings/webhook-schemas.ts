/** What the page uses of the coordinator's answers about webhooks; further fields may come without breaking it. */
import { z } from 'zod';
import type { AlertKind } from '#api';
import { nextCursor } from '../api/schemas.ts';

/** What an address may be told of, and how that is said here. */
export const alertKinds = {
  'site-silent': 'a site is silent',
  'round-abandoned': 'a round was abandoned',
  'disk-low': 'the disk is low',
  'key-old': "a site's keys are old",
} as const satisfies Record<AlertKind, string>;

/** Whether an address may be told of this. */
export function isAlertKind(kind: string): kind is AlertKind {
  return Object.hasOwn(alertKinds, kind);
}

/** The same for a kind as the coordinator says it; one that is new is said as it is. */
export function kindText(kind: string): string {
  const known: Readonly<Record<string, string>> = { ...alertKinds, test: 'a test' };
  return known[kind] ?? kind;
}

const timeMs = z.number();

/** A webhook, without its secret. */
export const webhookSchema = z.object({
  webhook: z.string(),
  url: z.string(),
  kinds: z.array(z.string()),
  createdAtMs: timeMs,
  pending: z.number(),
});
/** A webhook, without its secret. */
export type Webhook = z.infer<typeof webhookSchema>;
/** The webhooks. */
export const webhooksSchema = z.object({ webhooks: z.array(webhookSchema), nextCursor });
/** A webhook that was just made. */
export const newWebhookSchema = z.object({ webhook: webhookSchema, secret: z.string() });
/** A webhook that was just made. */
export type NewWebhook = z.infer<typeof newWebhookSchema>;

/** One alert to one address. */
export const deliverySchema = z.object({
  delivery: z.number(),
  kind: z.string(),
  state: z.string(),
  subject: z.string(),
  summary: z.string(),
  status: z.string(),
  attempts: z.number(),
  createdAtMs: timeMs,
  nextAtMs: timeMs.nullable(),
  lastOutcome: z.string().nullable(),
});
/** One alert to one address. */
export type Delivery = z.infer<typeof deliverySchema>;
/** What an address was told, newest first. */
export const deliveriesSchema = z.object({ deliveries: z.array(deliverySchema), nextCursor });
