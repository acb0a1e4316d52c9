/** The address that a request came from, and what limits count it by. */
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';

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

/** What limits count an address by: itself, or the /64 of an IPv6 address, all of which one machine may have. */
export function addressKey(address: string): string {
  if (!isIPv6(address)) return address;
  // The one form that a URL gives to each address, without the zone, which is of this machine alone.
  const { hostname } = new URL(`http://[${address.split('%')[0]}]`);
  const [before = [], after = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((part) => part.split(':').filter((group) => group !== ''));
  const skipped = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return `${[...before, ...skipped, ...after].slice(0, 4).join(':')}::/64`;
}
