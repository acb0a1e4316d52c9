import type { IncomingMessage } from 'node:http';
import { addressKey, clientAddress } from './client-address.ts';

const from = (forwarded: string | undefined, trustProxy: boolean): string => {
  const request = {
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    socket: { remoteAddress: '::ffff:10.0.0.1' },
  } as unknown as IncomingMessage;
  return clientAddress(request, { trustProxy });
};

test.each([
  ['what the proxy says of its own connection', '192.0.2.9', true, '192.0.2.9'],
  ['nothing that the caller put further left', '127.0.0.1, 192.0.2.9', true, '192.0.2.9'],
  ['the connection where the proxy says nothing', undefined, true, '10.0.0.1'],
  ['the connection where no proxy is trusted', '192.0.2.9', false, '10.0.0.1'],
])('an address is %s', (_name, forwarded, trustProxy, expected) => {
  expect(from(forwarded, trustProxy)).toBe(expected);
});

test.each([
  ['192.0.2.9', '192.0.2.9'],
  ['', ''],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002:0:0:192.0.2.9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8:0:0:1::', '2001:db8:0:0::/64'],
  ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
  ['0:0:1::1', '0:0:1:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('limits count %j by %j', (address, expected) => {
  expect(addressKey(address)).toBe(expected);
});
