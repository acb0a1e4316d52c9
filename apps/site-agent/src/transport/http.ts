/** One small JSON request over http or https, with limits; the two REST calls an agent makes. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { z } from 'zod';
import { InputError, isErrorCode, UnavailableError, type ErrorCode } from '#core/errors';
import { RefusedError } from './refused-error.ts';

const answerBytesMax = 1_000_000;

/** How to reach the coordinator. */
export interface HttpOptions {
  readonly timeoutMs: number;
  /** PEM of extra certificate authorities; null for the system's own. */
  readonly certificateAuthority: string | null;
  readonly signal?: AbortSignal;
}

const errorBodySchema = z.object({
  code: z.custom<ErrorCode>(isErrorCode),
  message: z.string().max(2000),
  retryable: z.boolean().default(false),
});

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

/**
 * Return the coordinator's address without a slash at the end, if it is safe to talk to.
 *
 * @throws InputError CONFIG_INVALID for plain http to another machine
 */
export function checkCoordinatorUrl(address: string): string {
  const url = new URL(address);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new InputError(
      'CONFIG_INVALID',
      `coordinator ${url.host}: expected https, plain http is for this machine alone; ask the administrator for a code with the https address`,
      { host: url.host },
    );
  }
  return address.replace(/\/+$/, '');
}

function unreachable(url: URL, why: string, cause?: unknown): UnavailableError {
  return new UnavailableError(
    'COORDINATOR_UNREACHABLE',
    `${url.origin}: expected an answer, ${why}; check the network, the firewall and the coordinator`,
    {},
    { cause },
  );
}

interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

function send(url: URL, body: string, options: HttpOptions): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      agent: false,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.certificateAuthority === null ? {} : { ca: options.certificateAuthority }),
    });
    const timer = setTimeout(() => {
      request.destroy(new Error(`nothing came in ${options.timeoutMs} ms`));
    }, options.timeoutMs);
    const fail = (cause: Error): void => {
      clearTimeout(timer);
      reject(unreachable(url, cause.message, cause));
    };
    request.on('error', fail);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > answerBytesMax) request.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    request.end(body);
  });
}

/**
 * Post JSON and parse the JSON that comes back.
 *
 * @throws UnavailableError COORDINATOR_UNREACHABLE, or RefusedError with the coordinator's own code
 */
export async function postJson<Schema extends z.ZodType>(
  address: string,
  body: unknown,
  schema: Schema,
  options: HttpOptions,
): Promise<z.infer<Schema>> {
  const url = new URL(address);
  const { status, body: text } = await send(url, JSON.stringify(body), options);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unreachable(url, `status ${status} and no JSON came from ${url.pathname}`, cause);
  }
  if (status >= 200 && status < 300) {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw unreachable(url, `an answer of another form came from ${url.pathname}`, parsed.error);
  }
  const refusal = errorBodySchema.safeParse(value);
  if (!refusal.success) throw unreachable(url, `status ${status} came from ${url.pathname}`);
  throw new RefusedError(refusal.data);
}
