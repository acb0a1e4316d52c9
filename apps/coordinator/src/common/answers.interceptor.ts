/**
 * Answers of REST: checked against their contract, so that nothing undocumented leaves, and remembered for commands that
 * carry an Idempotency-Key, so that a repeat gets the first answer.
 *
 * Remembered answers are wrapped by the wrapping key (one may carry an enrolment code) and forgotten after a day.
 */
import {
  Injectable,
  StreamableFile,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { eq, lt } from 'drizzle-orm';
import type { Request, Response } from 'express';
import { firstValueFrom, from, type Observable } from 'rxjs';
import { canonicalJson, fromUtf8, toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces, unwrapSecret, wrapSecret } from '#core/crypto';
import { InputError, InvariantError, StateError } from '#core/errors';
import { idempotencyKeys } from '../config/schema.ts';
import type { RouteContract } from './contract.ts';
import { Environment } from './environment.ts';
import { KeyedMutex } from './mutex.ts';
import { contractKey } from './route.ts';

const lifetimeMs = 24 * 3_600_000;
const keyPattern = /^[\x21-\x7e]{1,128}$/;

const digest = (...parts: readonly string[]): string =>
  toHex(blake2b256(encodePieces(parts.map(utf8))));

/** Answers of REST. */
@Injectable()
export class AnswersInterceptor implements NestInterceptor {
  readonly #reflector: Reflector;
  readonly #environment: Environment;
  readonly #mutex = new KeyedMutex();

  constructor(reflector: Reflector, environment: Environment) {
    this.#reflector = reflector;
    this.#environment = environment;
  }

  intercept(context: ExecutionContext, next: CallHandler<unknown>): Observable<unknown> {
    const contract = this.#reflector.get<RouteContract>(contractKey, context.getHandler());
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    const answer = async (): Promise<unknown> =>
      check(contract, await firstValueFrom(next.handle()));
    const key = request.header('idempotency-key');
    if (key === undefined || contract.method !== 'POST' || contract.roles === 'public') {
      return from(answer());
    }
    return from(this.#once(key, request, http.getResponse<Response>(), answer));
  }

  /** Answer a repeat as the first time; the same key with another request is a mistake of the caller. */
  async #once(
    key: string,
    request: Request,
    response: Response,
    answer: () => Promise<unknown>,
  ): Promise<unknown> {
    if (!keyPattern.test(key)) {
      throw new InputError(
        'REQUEST_INVALID',
        'Idempotency-Key: expected 1 to 128 printable characters; draw a random one for each command',
      );
    }
    const caller = request.header('authorization') ?? request.header('cookie') ?? '';
    const name = digest('idempotency', caller, key);
    const body: unknown = request.body;
    const requestDigest = digest(request.method, request.originalUrl, canonicalJson(body ?? {}));
    return this.#mutex.run(name, async () => {
      const known = await this.#find(name);
      if (known !== null) {
        if (known.requestDigest === requestDigest) return this.#unwrap(name, known.wrappedResponse);
        throw new StateError(
          'STATE_CONFLICT',
          'Idempotency-Key: expected the request it came with the first time, got another; draw a new key for each command',
        );
      }
      const value = await answer();
      await this.#remember(name, requestDigest, response.statusCode, value);
      return value;
    });
  }

  async #find(name: string) {
    const rows = await this.#environment.queries
      .select()
      .from(idempotencyKeys)
      .where(eq(idempotencyKeys.key, name));
    const found = rows[0];
    const isFresh =
      found !== undefined && found.createdAtMs > this.#environment.clock.wallTimeMs() - lifetimeMs;
    return isFresh ? found : null;
  }

  async #remember(
    name: string,
    requestDigest: string,
    status: number,
    value: unknown,
  ): Promise<void> {
    const { queries, clock, keys } = this.#environment;
    const createdAtMs = clock.wallTimeMs();
    const wrappedResponse = wrapSecret({
      secret: utf8(JSON.stringify(value)),
      wrappingKey: keys.wrappingKey,
      purpose: `idempotency/${name}`,
    });
    await queries
      .delete(idempotencyKeys)
      .where(lt(idempotencyKeys.createdAtMs, createdAtMs - lifetimeMs));
    await queries
      .insert(idempotencyKeys)
      .values({ key: name, requestDigest, status, wrappedResponse, createdAtMs });
  }

  #unwrap(name: string, wrapped: Uint8Array): unknown {
    const { wrappingKey } = this.#environment.keys;
    const value: unknown = JSON.parse(
      fromUtf8(unwrapSecret({ wrapped, wrappingKey, purpose: `idempotency/${name}` })),
    );
    return value;
  }
}

/** Check an answer against its contract. */
function check(contract: RouteContract, value: unknown): unknown {
  if (contract.mediaType !== undefined || value instanceof StreamableFile) return value;
  const parsed = contract.response.safeParse(value);
  if (parsed.success) return value;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new InvariantError(
    `${contract.method} ${contract.path}: expected the documented answer, field ${field} differs`,
    { field },
    { cause: parsed.error },
  );
}
