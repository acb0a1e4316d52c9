/** REST of sites. */
import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { toJson } from '../common/json-envelope.ts';
import { Input, Route } from '../common/route.ts';
import { CallersService } from '../users/callers.service.ts';
import { EnrollmentService } from './enrollment.service.ts';
import { LeavingService } from './leaving.service.ts';
import { NoncesService } from './nonces.service.ts';
import {
  siteRoutes,
  type InvitationView,
  type LeavingView,
  type SiteView,
} from './sites.contract.ts';
import { SitesService } from './sites.service.ts';

type In<Name extends keyof typeof siteRoutes> = RouteInput<(typeof siteRoutes)[Name]>;
type Out<Name extends keyof typeof siteRoutes> = RouteOutput<(typeof siteRoutes)[Name]>;

@Controller()
export class SitesController {
  readonly #sites: SitesService;
  readonly #enrollment: EnrollmentService;
  readonly #nonces: NoncesService;
  readonly #leaving: LeavingService;
  readonly #callers: CallersService;

  constructor(
    sites: SitesService,
    enrollment: EnrollmentService,
    nonces: NoncesService,
    leaving: LeavingService,
    callers: CallersService,
  ) {
    this.#sites = sites;
    this.#enrollment = enrollment;
    this.#nonces = nonces;
    this.#leaving = leaving;
    this.#callers = callers;
  }

  @Route(siteRoutes.list)
  list(@Req() request: Request, @Input(siteRoutes.list) { query }: In<'list'>): Out<'list'> {
    const { items: sites, nextCursor } = this.#sites.list(this.#callers.get(request).site, query);
    return { sites, nextCursor };
  }

  @Route(siteRoutes.invite)
  invite(@Input(siteRoutes.invite) { body }: In<'invite'>): Promise<InvitationView> {
    return this.#sites.invite(body.site, body.url);
  }

  @Route(siteRoutes.get)
  get(@Input(siteRoutes.get) { params }: In<'get'>): SiteView {
    return this.#sites.get(params.site);
  }

  @Route(siteRoutes.inviteAgain)
  inviteAgain(
    @Input(siteRoutes.inviteAgain) { params, body }: In<'inviteAgain'>,
  ): Promise<InvitationView> {
    return this.#sites.inviteAgain(params.site, body.url);
  }

  @Route(siteRoutes.approve)
  approve(@Input(siteRoutes.approve) { params, body }: In<'approve'>): Promise<SiteView> {
    return this.#sites.approve(params.site, body.fingerprint);
  }

  @Route(siteRoutes.suspend)
  suspend(@Input(siteRoutes.suspend) { params, body }: In<'suspend'>): Promise<SiteView> {
    return this.#sites.suspend(params.site, body.reason);
  }

  @Route(siteRoutes.resume)
  resume(@Input(siteRoutes.resume) { params }: In<'resume'>): Promise<SiteView> {
    return this.#sites.resume(params.site);
  }

  @Route(siteRoutes.revoke)
  revoke(@Input(siteRoutes.revoke) { params, body }: In<'revoke'>): Promise<SiteView> {
    return this.#sites.revoke(params.site, body.reason);
  }

  @Route(siteRoutes.leave)
  leave(@Input(siteRoutes.leave) { params, body }: In<'leave'>): Promise<LeavingView> {
    return this.#leaving.leave(params.site, body.reason, body.rerun);
  }

  @Route(siteRoutes.nonce)
  nonce(@Input(siteRoutes.nonce) { body }: In<'nonce'>): Out<'nonce'> {
    return { statement: toJson(this.#nonces.issue(body.challenge)) };
  }

  @Route(siteRoutes.enroll)
  enroll(@Input(siteRoutes.enroll) { body }: In<'enroll'>): Promise<Out<'enroll'>> {
    return this.#enrollment.enroll(body);
  }
}
