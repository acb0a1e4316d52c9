/**
 * Answers of REST: checked against their contract, so that nothing undocumented leaves, and remembered for commands that
 * carry an Idempotency-Key, so that a repeat gets the first answer.
 */
import {
  Injectable,
  StreamableFile,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { firstValueFrom, from, type Observable } from 'rxjs';
import { canonicalJson, toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces } from '#core/crypto';
import { InputError, InvariantError, StateError } from '#core/errors';
import { CallersService, type Caller } from '../users/callers.service.ts';
import { tokenMarkOf } from '../users/credential.ts';
import { runCommand, type KeyClaim } from './command-context.ts';
import { answerKey, findKey } from './command-keys.ts';
import type { RouteContract } from './contract.ts';
import { Environment } from './environment.ts';
import { KeyedMutex } from './mutex.ts';
import { contractKey, parseInput } from './route.ts';

const keyPattern = /^[\x21-\x7e]{1,128}$/;

const digest = (...parts: readonly string[]): string =>
  toHex(blake2b256(encodePieces(parts.map(utf8))));

/** Answers of REST. */
@Injectable()
export class AnswersInterceptor implements NestInterceptor {
  readonly #reflector: Reflector;
  readonly #environment: Environment;
  readonly #callers: CallersService;
  readonly #mutex = new KeyedMutex();

  constructor(reflector: Reflector, environment: Environment, callers: CallersService) {
    this.#reflector = reflector;
    this.#environment = environment;
    this.#callers = callers;
  }

  intercept(context: ExecutionContext, next: CallHandler<unknown>): Observable<unknown> {
    const contract = this.#reflector.get<RouteContract>(contractKey, context.getHandler());
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    parseInput(contract, request);
    const caller = this.#callers.find(request);
    const actor = caller?.actor ?? null;
    const token = caller === null ? null : tokenMarkOf(caller.credential);
    const answer = (claim: KeyClaim | null, isRepeat: boolean): Promise<unknown> =>
      runCommand({ actor, token, claim, isRepeat }, async () =>
        narrow(contract, caller, check(contract, await firstValueFrom(next.handle()))),
      );
    const key = request.header('idempotency-key');
    if (key === undefined || contract.method === 'GET' || contract.roles === 'public') {
      return from(answer(null, false));
    }
    return from(this.#once(key, request, http.getResponse<Response>(), answer));
  }

  /** Answer a repeat as the first time; the same key with another request is a mistake of the caller. */
  async #once(
    key: string,
    request: Request,
    response: Response,
    answer: (claim: KeyClaim, isRepeat: boolean) => Promise<unknown>,
  ): Promise<unknown> {
    if (!keyPattern.test(key)) {
      throw new InputError(
        'REQUEST_INVALID',
        'Idempotency-Key: expected 1 to 128 printable characters; draw a random one for each command',
      );
    }
    const caller = request.header('authorization') ?? request.header('cookie') ?? '';
    const body: unknown = request.body;
    const claim = {
      name: digest('idempotency', caller, key),
      requestDigest: digest(request.method, request.originalUrl, canonicalJson(body ?? {})),
    };
    // A repeat that comes while the first is being done waits for its answer.
    return this.#mutex.run(claim.name, async () => {
      const known = await findKey(this.#environment, claim);
      if (known !== null && known.requestDigest !== claim.requestDigest) {
        throw new StateError(
          'STATE_CONFLICT',
          'Idempotency-Key: expected the request it came with the first time, got another; draw a new key for each command',
        );
      }
      if (known?.kind === 'answered') return known.answer;
      const value = await answer(claim, known !== null);
      await answerKey(this.#environment, claim, response.statusCode, value);
      return value;
    });
  }
}

/** Leave a steward what is of its site. */
function narrow(contract: RouteContract, caller: Caller | null, value: unknown): unknown {
  if (caller?.role !== 'steward') return value;
  if (caller.site !== null && contract.forSteward !== undefined) {
    return contract.forSteward(value, caller.site);
  }
  throw new InvariantError(`${contract.method} ${contract.path}: expected no steward to get here`);
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
