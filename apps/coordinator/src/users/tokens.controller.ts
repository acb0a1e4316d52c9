/** REST of API tokens. */
import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { CallersService } from './callers.service.ts';
import { tokenRoutes } from './tokens.contract.ts';
import { TokensService } from './tokens.service.ts';

type In<Name extends keyof typeof tokenRoutes> = RouteInput<(typeof tokenRoutes)[Name]>;
type Out<Name extends keyof typeof tokenRoutes> = RouteOutput<(typeof tokenRoutes)[Name]>;

@Controller()
export class TokensController {
  readonly #tokens: TokensService;
  readonly #callers: CallersService;

  constructor(tokens: TokensService, callers: CallersService) {
    this.#tokens = tokens;
    this.#callers = callers;
  }

  @Route(tokenRoutes.list)
  async list(
    @Req() request: Request,
    @Input(tokenRoutes.list) { query }: In<'list'>,
  ): Promise<Out<'list'>> {
    const caller = this.#callers.get(request);
    const { items: tokens, nextCursor } = await this.#tokens.list(caller, query);
    return { tokens, nextCursor };
  }

  @Route(tokenRoutes.create)
  create(
    @Req() request: Request,
    @Input(tokenRoutes.create) { body }: In<'create'>,
  ): Promise<Out<'create'>> {
    return this.#tokens.create(this.#callers.get(request), body);
  }

  @Route(tokenRoutes.revoke)
  async revoke(
    @Req() request: Request,
    @Input(tokenRoutes.revoke) { params }: In<'revoke'>,
  ): Promise<Out<'revoke'>> {
    await this.#tokens.revoke(this.#callers.get(request), params.token);
    return {};
  }
}
