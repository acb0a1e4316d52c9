/** REST of sessions. */
import { Controller, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { userRoutes, type SessionView } from './users.contract.ts';
import { UsersService } from './users.service.ts';

@Controller()
export class UsersController {
  readonly #users: UsersService;

  constructor(users: UsersService) {
    this.#users = users;
  }

  @Route(userRoutes.createLink)
  createLink(@Req() request: Request): Promise<RouteOutput<typeof userRoutes.createLink>> {
    return this.#users.createLink(request);
  }

  @Route(userRoutes.signIn)
  async signIn(
    @Input(userRoutes.signIn) { body }: RouteInput<typeof userRoutes.signIn>,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<SessionView> {
    const { cookie, view } = await this.#users.signIn(request, body);
    response.setHeader('Set-Cookie', cookie);
    return view;
  }

  @Route(userRoutes.list)
  list(@Req() request: Request): RouteOutput<typeof userRoutes.list> {
    return { sessions: this.#users.list(request) };
  }

  @Route(userRoutes.signOutEverywhere)
  async signOutEverywhere(
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RouteOutput<typeof userRoutes.signOutEverywhere>> {
    const { ended, cookie } = await this.#users.signOutEverywhere(request);
    response.setHeader('Set-Cookie', cookie);
    return { ended };
  }

  @Route(userRoutes.current)
  current(@Req() request: Request): SessionView {
    return this.#users.current(request);
  }

  @Route(userRoutes.signOut)
  async signOut(
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RouteOutput<typeof userRoutes.signOut>> {
    response.setHeader('Set-Cookie', await this.#users.signOut(request));
    return {};
  }
}
