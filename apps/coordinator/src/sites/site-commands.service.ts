/** What each command of a site does; the gateway has parsed it and answers. */
import { Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';
import type { SiteCommand, SiteId, SiteRequest, SiteResponse } from '#core/protocol';
import { RelayedError } from '#core/errors';
import { AuditChainService } from '../audit/audit-chain.service.ts';
import { AuditService, type AuditRecord } from '../audit/audit.service.ts';
import { Environment } from '../common/environment.ts';
import { packageVersion } from '../common/package-info.ts';
import { sites } from '../config/schema.ts';
import { EvaluationRequestsService } from '../evaluation/evaluation-requests.service.ts';
import { EvaluationsService } from '../evaluation/evaluations.service.ts';
import { LocalAdaptersService } from '../evaluation/local-adapters.service.ts';
import { AssignmentsService } from '../rounds/assignments.service.ts';
import { DecisionsService } from '../rounds/decisions.service.ts';
import { findMember } from '../rounds/member-status.ts';
import { RoundStore } from '../rounds/round-store.ts';
import { RoundTransitionsService } from '../rounds/round-transitions.service.ts';
import { UploadsService } from '../uploads/uploads.service.ts';
import { ConnectionsService } from './connections.service.ts';
import { RosterService } from './roster.service.ts';

/** One function a command: what it does and answers. */
export type SiteCommandHandlers = {
  readonly [Name in SiteCommand]: (
    site: SiteId,
    request: SiteRequest<Name>,
  ) => Promise<SiteResponse<Name>>;
};

/** What each command of a site does. */
@Injectable()
export class SiteCommandsService {
  readonly handlers: SiteCommandHandlers;
  readonly #environment: Environment;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;
  readonly #rounds: RoundStore;
  readonly #transitions: RoundTransitionsService;
  readonly #audit: AuditService;

  constructor(
    environment: Environment,
    roster: RosterService,
    connections: ConnectionsService,
    rounds: RoundStore,
    transitions: RoundTransitionsService,
    assignments: AssignmentsService,
    decisions: DecisionsService,
    uploads: UploadsService,
    evaluations: EvaluationsService,
    evaluationRequests: EvaluationRequestsService,
    localAdapters: LocalAdaptersService,
    audit: AuditService,
    chain: AuditChainService,
  ) {
    this.#environment = environment;
    this.#roster = roster;
    this.#connections = connections;
    this.#rounds = rounds;
    this.#transitions = transitions;
    this.#audit = audit;
    this.handlers = {
      hello: (site, request) => this.#hello(site, request),
      heartbeat: (site, request) => this.#heartbeat(site, request),
      'round:get': (site, request) => assignments.pull(site, request),
      'round:accept': async (site, { decision }) => ({
        ok: true,
        status: await decisions.decide(site, 'accept', decision),
      }),
      'round:decline': async (site, { decision }) => ({
        ok: true,
        status: await decisions.decide(site, 'decline', decision),
      }),
      'round:withdraw': async (site, { decision }) => ({
        ok: true,
        status: await decisions.decide(site, 'withdraw', decision),
      }),
      'blob:get': async (site, request) => ({
        ok: true,
        bytes: await localAdapters.rangeFor(site, request),
      }),
      'upload:begin': async (site, request) => ({
        ok: true,
        ...(await uploads.begin(site, request)),
      }),
      'upload:range': async (site, request) => {
        await uploads.range(site, request);
        return { ok: true };
      },
      'upload:commit': async (site, { uploadId }) => ({
        ok: true,
        status: await uploads.commit(site, uploadId),
      }),
      evaluation: async (site, { evaluation }) => {
        await evaluations.take(site, evaluation);
        return { ok: true };
      },
      'evaluation:get': (site) => evaluationRequests.pull(site),
      'evaluation:decline': async (site, { decline }) => {
        await evaluationRequests.decline(site, decline);
        return { ok: true };
      },
      'audit:get': async (_site, { after, limit }) => ({
        ok: true,
        head: await chain.head(),
        digests: await chain.digests(after, limit),
      }),
    };
  }

  async #hello(site: SiteId, request: SiteRequest<'hello'>): Promise<SiteResponse<'hello'>> {
    const { agentVersion, node, engines, backbones, memoryBytes, cores, approvedTasks } = request;
    this.#connections.setBackbones(site, backbones);
    await this.#environment.queries
      .update(sites)
      .set({
        agentVersion,
        capabilities: { node, engines, backbones, memoryBytes, cores, approvedTasks },
        lastSeenAtMs: this.#environment.clock.wallTimeMs(),
      })
      .where(eq(sites.site, site));
    await this.#roster.refresh();
    return {
      ok: true,
      coordinatorVersion: packageVersion,
      stateVersion: this.#connections.stateVersion,
    };
  }

  /** Remember a heartbeat; the first one of phase training is what makes the member training. */
  async #heartbeat(
    site: SiteId,
    request: SiteRequest<'heartbeat'>,
  ): Promise<SiteResponse<'heartbeat'>> {
    const serverTimeMs = this.#environment.clock.wallTimeMs();
    this.#connections.beat(site, { ...request, atMs: serverTimeMs });
    const { phase, task, round } = request;
    if (phase === 'training' && task !== null && round !== null) {
      await this.#markTraining(site, task, round);
    }
    return { ok: true, serverTimeMs };
  }

  async #markTraining(site: SiteId, task: string, round: number): Promise<void> {
    const record = await this.#rounds.latest(task, { round });
    if (record === null || findMember(record, site)?.status !== 'accepted') return;
    try {
      await this.#transitions.apply(record, { type: 'training-started', site });
    } catch (error) {
      // A deadline or an upload overtook it: a heartbeat is then news of the past.
      if (!(error instanceof RelayedError)) throw error;
    }
  }

  /** Record when a site was last seen, when its socket closes; with what of it goes into the audit log. */
  async recordLastSeen(site: SiteId, ...records: readonly AuditRecord[]): Promise<void> {
    const lastSeenAtMs = this.#environment.clock.wallTimeMs();
    await this.#environment.transactions.run(async (transaction) => {
      await transaction.update(sites).set({ lastSeenAtMs }).where(eq(sites.site, site));
      await this.#audit.append(transaction, ...records);
    });
    await this.#roster.refresh();
  }
}
