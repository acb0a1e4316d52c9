/** The address that a request came from, for limits by address. */
import type { IncomingMessage } from 'node:http';

/**
 * Tell the address of whoever asks: the connection's, or what the proxy in front of us says of its own connection. What
 * stands further left in the header is the caller's own word.
 */
export function clientAddress(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  { trustProxy }: { readonly trustProxy: boolean },
): string {
  const forwarded = headers['x-forwarded-for'];
  const last = (Array.isArray(forwarded) ? forwarded.at(-1) : forwarded)?.split(',').at(-1)?.trim();
  const address = trustProxy && last !== undefined && last !== '' ? last : socket.remoteAddress;
  return (address ?? '').replace(/^::ffff:/, '').slice(0, 64);
}
