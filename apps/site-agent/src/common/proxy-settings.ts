/** Which proxy an address is reached through: the configuration's own, or what the environment says, as curl reads it. */
import { isIP } from 'node:net';
import { InputError } from '#core/errors';

/** Variables of the process; these matter: HTTPS_PROXY, HTTP_PROXY, NO_PROXY, in either case. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Tells which proxy an address is reached through; null for none. */
export type ProxyChoice = (target: URL) => URL | null;

/** Read a proxy's variable; lower case counts first, as in curl. */
export function proxyVariable(environment: Environment, name: string): string {
  return environment[name.toLowerCase()] || environment[name] || '';
}

/** Tell whether a host name is this very machine. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * Parse a proxy's address; a name with a port alone is plain http.
 *
 * @throws InputError CONFIG_INVALID, whose message never shows the address: a password may stand in it
 */
export function parseProxy(text: string, where: string): URL {
  const address = text.includes('://') ? text : `http://${text}`;
  const isParsed = URL.canParse(address);
  if (isParsed && /^https?:$/.test(new URL(address).protocol)) return new URL(address);
  throw new InputError(
    'CONFIG_INVALID',
    `${where}: expected the address of a proxy, e.g. http://proxy.example:3128 or http://user:password@proxy.example:3128, got something else; SOCKS is not supported`,
  );
}

/** A proxy's address without user and password, for people and logs. */
export const proxyName = (proxy: URL): string => proxy.origin;

/** Tell whether NO_PROXY covers a target: `*`, a host, a domain with all below it, each with a port or without. */
export function isExcluded(target: URL, noProxy: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name, entryPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? [];
      if (isIP(entry) === 6) return entry === host;
      if (entryPort !== undefined && entryPort !== port) return false;
      const domain = (name ?? '').replace(/^\*?\.*/, '');
      return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
    });
}

/**
 * Make the choice of proxies.
 *
 * @param configured - address from the configuration, which then counts for every target; `none` for no proxy at all;
 *   undefined for the environment's, which never count for this very machine: no proxy could reach it
 */
export function proxyChoice(configured: string | undefined, environment: Environment): ProxyChoice {
  if (configured === 'none') return () => null;
  if (configured !== undefined) {
    const proxy = parseProxy(configured, 'connection.proxy');
    return () => proxy;
  }
  return (target) => {
    if (isLoopback(target.hostname)) return null;
    const name = target.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
    const address = proxyVariable(environment, name);
    if (address === '' || isExcluded(target, proxyVariable(environment, 'NO_PROXY'))) return null;
    return parseProxy(address, name);
  };
}
