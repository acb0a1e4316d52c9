/** One small JSON request over http or https, with limits; the two REST calls an agent makes. */
import { request as httpRequest, type ClientRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isNativeError } from 'node:util/types';
import { z } from 'zod';
import { InputError, isErrorCode, UnavailableError, type ErrorCode } from '#core/errors';
import { isLoopback } from '../common/proxy-settings.ts';
import { certificateCode, certificateUntrusted, proxyRefused } from './network-errors.ts';
import { linkAgent, type NetworkOptions } from './network.ts';
import { RefusedError } from './refused-error.ts';

const answerBytesMax = 1_000_000;

/** How to reach the coordinator. */
export interface HttpOptions extends NetworkOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** A problem of RFC 9457; those of 0.1.0 call its detail `message`. */
const problemSchema = z
  .object({
    code: z.custom<ErrorCode>(isErrorCode),
    detail: z.string().max(2000).optional(),
    message: z.string().max(2000).optional(),
    retryable: z.boolean().default(false),
  })
  .transform(({ code, detail, message, retryable }) => ({
    code,
    message: detail ?? message ?? code,
    retryable,
  }));

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

const tunnelSchema = z.object({ statusCode: z.number() });

/** Send one request; whatever goes wrong on the way is named by what it went wrong at. */
async function send(url: URL, body: string, options: HttpOptions): Promise<RawAnswer> {
  const link = linkAgent(url, options);
  const { proxy } = link;
  const tunnel = { status: 0 };
  try {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      agent: link.agent,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    request.on('proxyConnect', (answer: unknown) => {
      tunnel.status = tunnelSchema.parse(answer).statusCode;
    });
    const answer = await answerTo(request, body, options.timeoutMs);
    if (proxy !== null && tunnel.status !== 200) throw proxyRefused(url, proxy, tunnel.status);
    return answer;
  } catch (cause) {
    if (cause instanceof UnavailableError) throw cause;
    const reason = isNativeError(cause) ? cause.message : 'it failed';
    const certificate = certificateCode(cause);
    if (certificate !== null) throw await certificateUntrusted(url, certificate, options);
    if (proxy !== null && tunnel.status !== 200) throw proxyRefused(url, proxy, reason);
    throw unreachable(url, reason, cause);
  } finally {
    link.destroy();
  }
}

function answerTo(request: ClientRequest, body: string, timeoutMs: number): Promise<RawAnswer> {
  return new Promise<RawAnswer>((resolve, reject) => {
    const timer = setTimeout(() => {
      request.destroy(new Error(`nothing came in ${timeoutMs} ms`));
    }, timeoutMs);
    request.on('close', () => clearTimeout(timer));
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > answerBytesMax) request.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    request.end(body);
  });
}

/**
 * Post JSON and parse the JSON that comes back.
 *
 * @throws UnavailableError COORDINATOR_UNREACHABLE, PROXY_REFUSED or CERTIFICATE_UNTRUSTED, or RefusedError with the
 * coordinator's own code
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
  const refusal = problemSchema.safeParse(value);
  if (!refusal.success) throw unreachable(url, `status ${status} came from ${url.pathname}`);
  throw new RefusedError(refusal.data);
}
