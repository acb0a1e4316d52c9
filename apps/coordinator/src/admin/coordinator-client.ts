/** A client of the coordinator's REST API: checked requests in, parsed answers out, coded errors. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ApiRequest } from '#api';
import {
  assert,
  type ErrorCode,
  InputError,
  isErrorCode,
  MeloError,
  ProtocolError,
  UnavailableError,
} from '#core/errors';
import { problemSchema } from '../common/contract.ts';

const timeoutMs = 30_000;
/** A POST carries a key of its own, so that sending it again does nothing twice. */
const attemptsMax = 3;
const retryDelayMs = 500;
const jsonBytesMax = 16 * 1024 * 1024;
/** Pages of a list: more than any federation has. */
const pagesMax = 10_000;
/** A stream may be prepared for so long before its first byte, and pause for so long between two pieces. */
const streamPauseMs = 280_000;

/** What is read of a problem; one of another release may say more. */
const refusalSchema = z.object(
  problemSchema.pick({ code: true, detail: true, correlationId: true }).shape,
);

/** What the coordinator refused, under the code that it gave. */
export class RefusedError extends MeloError {}

/** Where the coordinator is and who calls. */
export interface CoordinatorAddress {
  /** http or https, without a path. */
  readonly url: string;
  readonly token: string;
}

/** What is sent of a request. */
type Sendable = Pick<ApiRequest<z.ZodType>, 'method' | 'target' | 'body'>;
/** How a page of a list ends. */
interface PageEnd {
  readonly nextCursor: string | null;
}
/** What a list has, and whether it has more than was wanted. */
export interface Listed<Item> {
  readonly items: readonly Item[];
  readonly hasMore: boolean;
}

/** Calls the coordinator as an administrator. */
export class CoordinatorClient {
  readonly #address: CoordinatorAddress;
  readonly #fetch: typeof fetch;

  constructor(address: CoordinatorAddress, fetchPort: typeof fetch) {
    this.#address = address;
    this.#fetch = fetchPort;
  }

  /** Send a request and return its parsed answer. */
  async send<Schema extends z.ZodType>(asked: ApiRequest<Schema>): Promise<z.output<Schema>> {
    const bytes = await this.#sendBounded(this.#requestOf(asked), jsonBytesMax);
    return parseAnswer(asked.schema, parseJson(bytes), asked);
  }

  /**
   * Read a list page after page: to its end, or until there are as many items as are wanted.
   *
   * @param ask - asks for the page at a cursor, the first one at undefined
   * @param itemsOf - the items of one page
   */
  async list<Page extends PageEnd, Item>(
    ask: (cursor: string | undefined) => ApiRequest<z.ZodType<Page>>,
    itemsOf: (page: Page) => readonly Item[],
    wanted = Infinity,
  ): Promise<Listed<Item>> {
    const items: Item[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < pagesMax; page++) {
      const answer = await this.send(ask(cursor));
      items.push(...itemsOf(answer));
      const { nextCursor } = answer;
      if (items.length >= wanted || nextCursor === null) {
        const hasMore = items.length > wanted || nextCursor !== null;
        return { items: items.slice(0, wanted), hasMore };
      }
      cursor = nextCursor;
    }
    throw unknownAnswer(ask(cursor));
  }

  /** Read a file of the API, as `targetOf` names it; `bytesMax` bounds what is taken. */
  download(target: string | undefined, bytesMax: number): Promise<Uint8Array> {
    return this.#sendBounded(this.#requestOf({ method: 'GET', target, body: undefined }), bytesMax);
  }

  /**
   * Read a file of the API without a bound, piece by piece; a link that breaks ends it, and it is not tried again.
   *
   * @throws UnavailableError COORDINATOR_UNREACHABLE, also in the middle
   */
  async *stream(target: string | undefined): AsyncGenerator<Uint8Array> {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      abort.abort();
    }, streamPauseMs);
    try {
      const request = this.#requestOf({ method: 'GET', target, body: undefined });
      const response = await this.#fetch(request, { signal: abort.signal });
      if (!response.ok) throw refusal(response.status, await readBounded(response, jsonBytesMax));
      const body: AsyncIterable<unknown> | null = response.body;
      for await (const piece of body ?? []) {
        assert(piece instanceof Uint8Array, 'the body of an answer is bytes');
        timer.refresh();
        yield piece;
      }
    } catch (cause) {
      throw cause instanceof MeloError ? cause : this.#unreachable(cause);
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  async #sendBounded(request: Request, bytesMax: number): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#sendOnce(request, bytesMax);
      } catch (error) {
        const isRetried = error instanceof UnavailableError && error.catalogEntry.retryable;
        if (!isRetried || attempt >= attemptsMax) throw error;
        await sleep(retryDelayMs * attempt);
      }
    }
  }

  async #sendOnce(request: Request, bytesMax: number): Promise<Uint8Array> {
    const { response, bytes } = await this.#reach(request.clone(), bytesMax);
    if (!response.ok) throw refusal(response.status, bytes);
    return bytes;
  }

  /** An answer that ends in the middle is none. */
  async #reach(request: Request, bytesMax: number) {
    try {
      const response = await this.#fetch(request, { signal: AbortSignal.timeout(timeoutMs) });
      return { response, bytes: await readBounded(response, bytesMax) };
    } catch (cause) {
      throw cause instanceof MeloError ? cause : this.#unreachable(cause);
    }
  }

  #unreachable(cause: unknown): UnavailableError {
    const { url } = this.#address;
    return new UnavailableError(
      'COORDINATOR_UNREACHABLE',
      `coordinator: expected an answer from ${url}, got none or half of one; check --url and that the coordinator runs`,
      { url },
      { cause },
    );
  }

  #requestOf({ method, target, body }: Sendable): Request {
    if (target === undefined) {
      throw new InputError(
        'USAGE',
        'a name: expected letters, digits and dashes, got nothing or dots alone; see the list of what there is',
      );
    }
    const url = new URL(target, this.#address.url);
    const headers = new Headers({ authorization: `Bearer ${this.#address.token}` });
    if (method === 'GET') return new Request(url, { headers, redirect: 'error' });
    headers.set('content-type', 'application/json');
    headers.set('idempotency-key', randomUUID());
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return new Request(url, { method, headers, redirect: 'error', ...sent });
  }
}

function parseAnswer<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  asked: Pick<Sendable, 'method' | 'target'>,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw unknownAnswer(asked);
  return parsed.data;
}

async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const stream: AsyncIterable<unknown> | null = response.body;
  for await (const piece of stream ?? []) {
    assert(piece instanceof Uint8Array, 'the body of an answer is bytes');
    length += piece.length;
    if (length > bytesMax) {
      throw new InputError(
        'PAYLOAD_TOO_LARGE',
        `coordinator: expected an answer of ${bytesMax} bytes at most, got more; update this command`,
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined; // what is not JSON fits no schema, and the caller says so
  }
}

function refusal(status: number, bytes: Uint8Array): MeloError {
  const body = refusalSchema.safeParse(parseJson(bytes));
  if (!body.success) {
    return new RefusedError(
      codeOfStatus(status),
      `coordinator: expected an answer of the API, got status ${status}; check --url`,
      { status },
    );
  }
  const { code, detail, correlationId } = body.data;
  const known = isErrorCode(code) ? code : codeOfStatus(status);
  const hint = known === 'UNAUTHENTICATED' ? '; check --token-file' : '';
  return new RefusedError(known, `${detail}${hint}`, { correlationId });
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  if (status === 404) return 'NOT_FOUND';
  return status >= 500 ? 'STORE_UNAVAILABLE' : 'REQUEST_INVALID';
}

function unknownAnswer({
  method,
  target = '',
}: Pick<Sendable, 'method' | 'target'>): ProtocolError {
  return new ProtocolError(
    'MESSAGE_INVALID',
    `${method} ${target}: expected the documented answer, got another; use the melo of the coordinator's own release`,
  );
}
