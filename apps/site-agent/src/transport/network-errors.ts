/** What stands between this site and the coordinator, as an error that names it: the proxy, or an untrusted certificate. */
import { request as httpsRequest } from 'node:https';
import { TLSSocket } from 'node:tls';
import { z } from 'zod';
import { UnavailableError } from '#core/errors';
import { proxyName } from '../common/proxy-settings.ts';
import { linkAgent, type NetworkOptions } from './network.ts';

const issuerWaitMs = 5000;
const issuersMax = 10;

/** Codes with which TLS says that a chain does not end at an authority it knows, or does not fit. */
const certificateCodes: ReadonlySet<string> = new Set([
  ...['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  ...['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_UNTRUSTED', 'CERT_REJECTED', 'INVALID_CA'],
  ...['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'ERR_TLS_CERT_ALTNAME_INVALID'],
]);
const codeSchema = z.object({ code: z.string() });

/** Tell the code of TLS's refusal of a certificate; null for any other error. */
export function certificateCode(error: unknown): string | null {
  const parsed = codeSchema.safeParse(error);
  return parsed.success && certificateCodes.has(parsed.data.code) ? parsed.data.code : null;
}

/** The proxy did not let the connection through. */
export function proxyRefused(url: URL, proxy: URL, status: number | string): UnavailableError {
  return new UnavailableError(
    'PROXY_REFUSED',
    `proxy ${proxyName(proxy)}: expected a tunnel to ${url.host}, it answered ${status}; ${proxyAdvice(status)}`,
    { status },
  );
}

function proxyAdvice(status: number | string): string {
  if (status === 407) {
    return 'it wants a user and password (Basic): set connection.proxy: http://user:password@host:port in agent.yaml';
  }
  if (status === 403) return 'ask the administrator of the proxy to allow this address and port';
  return 'check connection.proxy in agent.yaml, HTTPS_PROXY and NO_PROXY, and that the proxy allows this address and port';
}

/** The certificate that came is not one to trust. */
export async function certificateUntrusted(
  url: URL,
  code: string,
  options: NetworkOptions,
): Promise<UnavailableError> {
  const issuer = (await findIssuer(url, options)) ?? 'an authority that could not be read';
  const advice =
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? 'the certificate is for another name: correct the address, or the certificate'
      : code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID'
        ? "it is out of its dates: check this machine's clock, then renew the certificate"
        : `get the certificate of that authority as PEM and name the file in agent.yaml: caFile. If the coordinator's administrator does not know this authority, a device of your own network inspects TLS: its authority is the one that is missing`;
  return new UnavailableError(
    'CERTIFICATE_UNTRUSTED',
    `${url.origin}: expected a certificate of a trusted authority, one issued by "${issuer}" came (${code}); ${advice}`,
    { issuer, reason: code },
  );
}

/** What is read of a certificate; its issuer's own is there where the peer sent it. */
interface Certificate {
  readonly issuer: unknown;
  readonly fingerprint256: string;
  readonly issuerCertificate?: Certificate;
}

/** The authority at the end of a chain as the peer sent it. */
export function issuerOf(certificate: Certificate): string | null {
  let last = certificate;
  for (let steps = 0; steps < issuersMax; steps++) {
    const next = last.issuerCertificate;
    if (next === undefined || next.fingerprint256 === last.fingerprint256) break;
    last = next;
  }
  const name = z
    .object({ CN: z.string().optional(), O: z.string().optional() })
    .safeParse(last.issuer);
  const text = name.success ? (name.data.CN ?? name.data.O) : undefined;
  // It comes from the network: printable, and not without end.
  return text === undefined ? null : text.replace(/[^\x20-\x7e\u00a1-\uffff]/g, '?').slice(0, 200);
}

/** Ask once more, for the name of the authority alone: nothing that matters is sent, nothing that comes is believed. */
function findIssuer(url: URL, options: NetworkOptions): Promise<string | null> {
  if (url.protocol !== 'https:') return Promise.resolve(null);
  const link = linkAgent(url, options);
  return new Promise((found) => {
    const request = httpsRequest(url.origin, {
      method: 'HEAD',
      agent: link.agent,
      rejectUnauthorized: false,
      timeout: issuerWaitMs,
    });
    const finish = (issuer: string | null): void => {
      request.destroy();
      link.destroy();
      found(issuer);
    };
    request.on('socket', (socket) => {
      if (!(socket instanceof TLSSocket)) return;
      socket.once('secureConnect', () => finish(issuerOf(socket.getPeerCertificate(true))));
    });
    request.on('timeout', () => finish(null));
    request.on('error', () => finish(null));
    request.end();
  });
}
