/** REST of single sign-on: a browser is sent on and taken back. */
import { Controller, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { MeloError, toPublicError } from '#core/errors';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { expiredSignInCookie } from './cookies.ts';
import { singleSignOnRoutes } from './single-sign-on.contract.ts';
import { SingleSignOnService } from './single-sign-on.service.ts';
import { UsersService } from './users.service.ts';

type In<Name extends keyof typeof singleSignOnRoutes> = RouteInput<
  (typeof singleSignOnRoutes)[Name]
>;
type Out<Name extends keyof typeof singleSignOnRoutes> = RouteOutput<
  (typeof singleSignOnRoutes)[Name]
>;

@Controller()
export class SingleSignOnController {
  readonly #singleSignOn: SingleSignOnService;
  readonly #users: UsersService;

  constructor(singleSignOn: SingleSignOnService, users: UsersService) {
    this.#singleSignOn = singleSignOn;
    this.#users = users;
  }

  @Route(singleSignOnRoutes.providers)
  providers(): Out<'providers'> {
    return { providers: [...this.#singleSignOn.list()] };
  }

  @Route(singleSignOnRoutes.begin)
  async begin(
    @Input(singleSignOnRoutes.begin) { params, query }: In<'begin'>,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Out<'begin'>> {
    const { place = '/' } = query;
    const { url, cookie } = await this.#singleSignOn.begin(request, params.provider, place);
    response.setHeader('Set-Cookie', cookie);
    response.setHeader('Location', url);
    return {};
  }

  /** The page is shown in any case; where it was refused, with the code of the refusal behind the #. */
  @Route(singleSignOnRoutes.finish)
  async finish(
    @Input(singleSignOnRoutes.finish) { params }: In<'finish'>,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Out<'finish'>> {
    const cookies = [expiredSignInCookie(request)];
    try {
      const search = new URL(request.originalUrl, 'http://localhost').search;
      const { provider } = params;
      const { grant, place } = await this.#singleSignOn.finish(request, provider, search);
      const { cookie } = await this.#users.begin(request, grant, 'single-sign-on');
      cookies.push(cookie);
      // Behind the # of our own page, whatever it is.
      response.setHeader('Location', `/#${place}`);
    } catch (error) {
      if (!(error instanceof MeloError)) throw error;
      response.setHeader('Location', `/#sign-in-refused=${toPublicError(error).code}`);
    }
    response.setHeader('Set-Cookie', cookies);
    return {};
  }
}
