/** Certificates made on the spot: an authority of a test's own, and a server's certificate that it issued (RFC 5280, DER by hand). */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
  dnsName: 0x82,
  ipAddress: 0x87,
} as const;

function der(tag: keyof typeof tags, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length =
    content.length < 0x80 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tags[tag], ...length]), content]);
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const isTrue = der('boolean', hex('ff'));
const ecdsaWithSha256 = der('sequence', hex('06082a8648ce3d040302'));
const commonName = hex('0603550403');
const basicConstraints = hex('0603551d13');
const subjectAltName = hex('0603551d11');
const validity = der(
  'sequence',
  der('utcTime', Buffer.from('240101000000Z')),
  der('utcTime', Buffer.from('490101000000Z')),
);

const nameOf = (text: string): Buffer =>
  der('sequence', der('set', der('sequence', commonName, der('utf8String', Buffer.from(text)))));

function altName(host: string): Buffer {
  return isIPv4(host)
    ? der('ipAddress', Buffer.from(host.split('.').map(Number)))
    : der('dnsName', Buffer.from(host));
}

function issue(options: {
  readonly serial: number;
  readonly issuer: { readonly name: string; readonly key: KeyObject };
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly extension: Buffer;
}): string {
  const { issuer, publicKey } = options;
  const body = der(
    'sequence',
    der('version', der('integer', hex('02'))),
    der('integer', Buffer.from([options.serial])),
    ecdsaWithSha256,
    nameOf(issuer.name),
    validity,
    nameOf(options.subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der('extensions', der('sequence', options.extension)),
  );
  const signature = der('bitString', hex('00'), sign('sha256', body, issuer.key));
  const text = der('sequence', body, ecdsaWithSha256, signature).toString('base64');
  const lines = text.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/** What a server with a certificate of a test's own authority needs, all as PEM. */
export interface TestCertificates {
  /** Certificate of the authority. */
  readonly authority: string;
  readonly cert: string;
  readonly key: string;
}

/** Make an authority and a certificate for hosts, numeric IPv4 addresses among them. */
export function makeCertificates(
  authorityName: string,
  hosts: readonly string[],
): TestCertificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name: authorityName, key: authority.privateKey };
  const constraints = der('octetString', der('sequence', isTrue));
  const names = der('octetString', der('sequence', ...hosts.map(altName)));
  return {
    authority: issue({
      ...{ serial: 1, issuer, subject: authorityName, publicKey: authority.publicKey },
      extension: der('sequence', basicConstraints, isTrue, constraints),
    }),
    cert: issue({
      ...{ serial: 2, issuer, subject: hosts[0] ?? 'server', publicKey: server.publicKey },
      extension: der('sequence', subjectAltName, names),
    }),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
