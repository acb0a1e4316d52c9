import type { IncomingMessage } from 'node:http';
import { clientAddress } from './client-address.ts';

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
