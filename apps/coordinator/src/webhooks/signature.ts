/**
 * Signatures of webhooks, in the layout of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHmac } from 'node:crypto';

const secretPrefix = 'whsec_';

/** A secret as people copy it: `whsec_` and the base64 of its bytes. */
export function secretText(secret: Uint8Array): string {
  return `${secretPrefix}${Buffer.from(secret).toString('base64')}`;
}

/** The headers that go with a body. */
export function signedHeaders(
  secret: Uint8Array,
  { id, atMs, body }: { readonly id: string; readonly atMs: number; readonly body: string },
): Record<string, string> {
  const timestamp = String(Math.floor(atMs / 1000));
  const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${mac}`,
  };
}
