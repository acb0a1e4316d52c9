/** How the hub is reached: endpoint and proxies from the environment, waits with limits, answers of a bounded size. */
import { EnvHttpProxyAgent, fetch as undiciFetch, type Dispatcher } from 'undici';
import { InputError } from '#core/errors';
import { isLoopback, proxyVariable, type Environment } from '../common/proxy-settings.ts';

const hubEndpoint = 'https://huggingface.co';
const connectTimeoutMs = 30_000;
/** Without a byte for so long a transfer counts as broken, and goes on where it stood. */
const silenceMs = 60_000;
/** Of an answer that is held in memory: a list of files, a configuration. */
const answerBytesMax = 4_000_000;
const tokenLengthMax = 1024;

/** What libraries read of an answer's headers. */
const headersKept = [
  ...['content-type', 'content-range', 'etag', 'link', 'x-error-code', 'x-linked-etag'],
  ...['x-linked-size', 'x-request-id', 'x-xet-hash'],
];

/** Where the hub is and how it is reached. */
export interface HubNetwork {
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** Sent to the endpoint's own origin alone. */
  readonly token: string | null;
  readonly dispatcher: Dispatcher;
  /** Close idle connections. */
  close(): Promise<void>;
}

/**
 * Read the network from the environment: HF_ENDPOINT, HF_TOKEN, HTTP_PROXY, HTTPS_PROXY, NO_PROXY.
 *
 * @throws InputError CONFIG_INVALID for an endpoint that is no https address, or plain http to another machine
 */
export function hubNetwork(environment: Environment): HubNetwork {
  const endpoint = checkEndpoint(environment['HF_ENDPOINT'] || hubEndpoint);
  const dispatcher = new EnvHttpProxyAgent({
    httpProxy: proxyVariable(environment, 'HTTP_PROXY'),
    httpsProxy: proxyVariable(environment, 'HTTPS_PROXY'),
    noProxy: proxyVariable(environment, 'NO_PROXY'),
    connect: { timeout: connectTimeoutMs },
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
  });
  const token = checkToken(environment['HF_TOKEN'] ?? '');
  return { endpoint, token, dispatcher, close: () => dispatcher.close() };
}

/** Tell whether what comes from an address came unchanged: https, or this very machine. */
export function isSafeAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

function checkEndpoint(address: string): string {
  if (isSafeAddress(address)) return address.replace(/\/+$/, '');
  throw new InputError(
    'CONFIG_INVALID',
    'HF_ENDPOINT: expected an https address, plain http is for this machine alone; give the address of the hub or of your mirror',
  );
}

function checkToken(token: string): string | null {
  const trimmed = token.trim();
  if (trimmed === '') return null;
  if (trimmed.length <= tokenLengthMax && /^[\x21-\x7e]+$/.test(trimmed)) return trimmed;
  throw new InputError(
    'CONFIG_INVALID',
    'HF_TOKEN: expected one word of printable characters, got something else; copy the token again',
  );
}

/** What this project reads of an answer. */
export interface HubResponse {
  readonly status: number;
  /** After redirects. */
  readonly url: string;
  header(name: string): string | null;
  /** The bytes as they come; breaking off ends the transfer. */
  body(): AsyncIterable<Uint8Array>;
  /** End the transfer unread. */
  discard(): Promise<void>;
}

/**
 * Send one request; redirects are followed, and the token does not go along to another origin.
 *
 * @throws whatever the network throws; nothing is read of the body yet
 */
export async function hubRequest(
  network: HubNetwork,
  url: string,
  options: {
    readonly method?: 'GET' | 'POST';
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  } = {},
): Promise<HubResponse> {
  const { token, dispatcher } = network;
  const response = await undiciFetch(url, {
    method: options.method ?? 'GET',
    headers: {
      'user-agent': 'melo-federation',
      'accept-encoding': 'identity', // byte ranges are those of the file itself
      ...options.headers,
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(options.body === undefined ? {} : { body: options.body }),
    dispatcher,
  });
  const { body, headers, status } = response;
  return {
    status,
    url: response.url,
    header: (name) => headers.get(name),
    body: async function* () {
      if (body === null) return;
      for await (const chunk of body) {
        if (chunk instanceof Uint8Array) yield chunk;
      }
    },
    discard: async () => {
      await body?.cancel();
    },
  };
}

/**
 * A `fetch` for libraries, over the same network; an answer is held in memory and bounded.
 *
 * @throws Error where an answer is over 4 MB
 */
export function boundedFetch(network: HubNetwork): typeof fetch {
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const answer = await hubRequest(network, url, {
      method: init?.method === 'POST' ? 'POST' : 'GET',
      headers: Object.fromEntries(new Headers(init?.headers)),
      ...(typeof init?.body === 'string' ? { body: init.body } : {}),
    });
    const bytes = await readBounded(answer, answerBytesMax);
    const headers = new Headers();
    for (const name of headersKept) {
      const value = answer.header(name);
      if (value !== null) headers.set(name, value);
    }
    const isBodiless = answer.status === 204 || answer.status === 304;
    return new Response(isBodiless ? null : bytes, { status: answer.status, headers });
  };
}

/**
 * Read an answer whole.
 *
 * @throws Error where it is longer than `bytesMax`
 */
export async function readBounded(answer: HubResponse, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of answer.body()) {
    length += chunk.length;
    if (length > bytesMax) throw new Error(`the answer is over ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
