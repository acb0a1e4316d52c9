/** A client of the coordinator's REST API: contracts in, parsed answers out, coded errors. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import {
  assert,
  type ErrorCode,
  InputError,
  isErrorCode,
  MeloError,
  ProtocolError,
  UnavailableError,
} from '#core/errors';
import { problemSchema, type RouteContract } from '../common/contract.ts';
import { nextCursor } from '../common/pages.contract.ts';

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

/** What is read of a page beside its items. */
const pageSchema = z.looseObject({ nextCursor });

/** What the coordinator refused, under the code that it gave. */
export class RefusedError extends MeloError {}

/** Where the coordinator is and who calls. */
export interface CoordinatorAddress {
  /** http or https, without a path. */
  readonly url: string;
  readonly token: string;
}

/** What goes into a request; each part as the route's contract takes it. */
export interface RequestParts<Contract extends RouteContract> {
  readonly params?: z.input<Contract['params']>;
  readonly query?: z.input<Contract['query']>;
  readonly body?: z.input<Contract['body']>;
}

/** A route that answers page by page. */
export type ListContract = RouteContract<
  z.ZodType,
  z.ZodType,
  z.ZodType,
  z.ZodType<{ readonly nextCursor: string | null }>
>;
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

  /** Call a route and return its parsed answer. */
  async call<Contract extends RouteContract>(
    contract: Contract,
    parts: RequestParts<Contract> = {},
  ): Promise<z.infer<Contract['response']>> {
    const bytes = await this.#send(contract, parts, jsonBytesMax);
    return parseAnswer<Contract['response']>(contract.response, parseJson(bytes), contract);
  }

  /**
   * Call a list page after page: to its end, or until there are as many items as are wanted.
   *
   * @param itemsOf - the items of one answer
   */
  async list<Contract extends ListContract, Item>(
    contract: Contract,
    itemsOf: (answer: z.infer<Contract['response']>) => readonly Item[],
    parts: RequestParts<Contract> = {},
    wanted = Infinity,
  ): Promise<Listed<Item>> {
    const items: Item[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < pagesMax; page++) {
      const json = parseJson(await this.#send(contract, parts, jsonBytesMax, cursor));
      items.push(...itemsOf(parseAnswer<Contract['response']>(contract.response, json, contract)));
      const { nextCursor: next } = parseAnswer(pageSchema, json, contract);
      if (items.length >= wanted || next === null) {
        const hasMore = items.length > wanted || next !== null;
        return { items: items.slice(0, wanted), hasMore };
      }
      cursor = next;
    }
    throw unknownAnswer(contract);
  }

  /** Call a route that answers bytes; `bytesMax` bounds what is taken. */
  download<Contract extends RouteContract>(
    contract: Contract,
    parts: RequestParts<Contract>,
    bytesMax: number,
  ): Promise<Uint8Array> {
    return this.#send(contract, parts, bytesMax);
  }

  /**
   * Call a route that answers bytes without a bound, piece by piece; a link that breaks ends it, and it is not tried again.
   *
   * @throws UnavailableError COORDINATOR_UNREACHABLE, also in the middle
   */
  async *stream(contract: RouteContract): AsyncGenerator<Uint8Array> {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      abort.abort();
    }, streamPauseMs);
    try {
      const response = await this.#fetch(this.#request(contract, {}), { signal: abort.signal });
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

  async #send<Contract extends RouteContract>(
    contract: Contract,
    parts: RequestParts<Contract>,
    bytesMax: number,
    cursor?: string,
  ): Promise<Uint8Array> {
    const request = this.#request(contract, parts, cursor);
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
    const response = await this.#reach(request.clone());
    const bytes = await readBounded(response, bytesMax);
    if (!response.ok) throw refusal(response.status, bytes);
    return bytes;
  }

  async #reach(request: Request): Promise<Response> {
    try {
      return await this.#fetch(request, { signal: AbortSignal.timeout(timeoutMs) });
    } catch (cause) {
      throw this.#unreachable(cause);
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

  #request<Contract extends RouteContract>(
    contract: Contract,
    parts: RequestParts<Contract>,
    cursor?: string,
  ) {
    const target = new URL(fillPath(contract.path, parts.params), this.#address.url);
    for (const [name, value] of Object.entries(parts.query ?? {})) {
      target.searchParams.set(name, String(value));
    }
    if (cursor !== undefined) target.searchParams.set('cursor', cursor);
    const headers = new Headers({ authorization: `Bearer ${this.#address.token}` });
    if (contract.method === 'GET') return new Request(target, { headers, redirect: 'error' });
    headers.set('content-type', 'application/json');
    headers.set('idempotency-key', randomUUID());
    const { method } = contract;
    const body = method === 'POST' ? { body: JSON.stringify(parts.body ?? {}) } : {};
    return new Request(target, { method, headers, redirect: 'error', ...body });
  }
}

function parseAnswer<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  contract: RouteContract,
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw unknownAnswer(contract);
  return parsed.data;
}

/** Put parameters into a contract's path. */
function fillPath(path: string, params: unknown): string {
  const values = new Map(Object.entries(params ?? {}));
  return path.replace(/:([a-z]+)/g, (_, name: string) =>
    encodeURIComponent(String(values.get(name))),
  );
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

function unknownAnswer({ method, path }: RouteContract): ProtocolError {
  return new ProtocolError(
    'MESSAGE_INVALID',
    `${method} ${path}: expected the documented answer, got another; use the melo of the coordinator's own release`,
  );
}
