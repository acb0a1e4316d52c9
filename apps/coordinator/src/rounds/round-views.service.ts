/** Rounds as people see them: nobody is left out silently. */
import { Injectable } from '@nestjs/common';
import { findOutliers } from '#core/aggregation';
import { describeRound, type TaskId } from '#core/protocol';
import type { RouteOutput } from '../common/contract.ts';
import { toJson, toJsonEnvelope } from '../common/json-envelope.ts';
import type { Page } from '../common/pages.contract.ts';
import { EvaluationFiguresService } from '../evaluation/evaluation-figures.service.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { UploadStore, type UploadProgress } from '../uploads/upload-store.ts';
import type { ListedRound } from './round-list.ts';
import { roundNotFound, RoundStore, type RoundRecord } from './round-store.ts';
import type { roundRoutes, RoundsQuery, RoundView } from './rounds.contract.ts';

/** Rounds as people see them. */
@Injectable()
export class RoundViewsService {
  readonly #store: RoundStore;
  readonly #uploads: UploadStore;
  readonly #tasks: TaskStore;
  readonly #connections: ConnectionsService;
  readonly #evaluations: EvaluationFiguresService;

  constructor(
    store: RoundStore,
    uploads: UploadStore,
    tasks: TaskStore,
    connections: ConnectionsService,
    evaluations: EvaluationFiguresService,
  ) {
    this.#store = store;
    this.#uploads = uploads;
    this.#tasks = tasks;
    this.#connections = connections;
    this.#evaluations = evaluations;
  }

  /** One attempt. */
  async view(round: ListedRound): Promise<RoundView> {
    const uploads = await this.#uploads.progressOf([round.id]);
    return this.#viewOf(round, uploads.get(round.id) ?? []);
  }

  /** Some attempts, in their order: one statement for the uploads of all of them. */
  async views(rounds: readonly ListedRound[]): Promise<RoundView[]> {
    const uploads = await this.#uploads.progressOf(rounds.map(({ id }) => id));
    return rounds.map((round) => this.#viewOf(round, uploads.get(round.id) ?? []));
  }

  #viewOf(round: ListedRound, uploads: readonly UploadProgress[]): RoundView {
    return {
      task: round.task,
      round: round.round,
      attempt: round.attempt,
      baseVersion: round.baseVersion,
      phase: round.state.phase,
      reason: round.state.reason,
      openedAtMs: round.openedAtMs,
      deadlineAtMs: round.deadlineAtMs,
      settledAtMs: round.settledAtMs,
      quorumSites: round.state.quorumSites,
      summary: describeRound(round.state),
      aggregationGap: round.figures?.aggregationGap ?? null,
      members: round.state.members.map((member) => {
        const upload = uploads.find(({ site }) => site === member.site);
        const heartbeat = this.#connections.heartbeatOf(member.site);
        const isAboutThis = heartbeat?.task === round.task && heartbeat.round === round.round;
        return {
          ...member,
          progress: isAboutThis ? heartbeat.progress : null,
          bytesReceived: upload?.bytesReceived ?? 0,
          bytesTotal: upload?.bytes ?? null,
          trainingLoss: upload?.trainingLoss ?? null,
        };
      }),
    };
  }

  /** A page of the attempts of a task, newest first. */
  async list(task: TaskId, query: RoundsQuery): Promise<Page<RoundView>> {
    await this.#tasks.get(task);
    const { items, nextCursor } = await this.#store.page(task, query);
    return { items: await this.views(items), nextCursor };
  }

  /** One attempt with its signed records and its events. */
  async detail(
    task: TaskId,
    round: number,
    attempt: number | undefined,
  ): Promise<RouteOutput<typeof roundRoutes.get>> {
    await this.#tasks.get(task);
    const record =
      attempt === undefined
        ? await this.#store.latest(task, { round })
        : await this.#store.find(task, round, attempt);
    if (record === null) throw roundNotFound(task, round);
    return {
      ...(await this.view(record)),
      open: toJson({ payload: record.openPayload, signature: record.openSignature }),
      openDigest: record.openDigest,
      figures: await this.#figures(record),
      membership: toJsonEnvelope(record.membershipPayload, record.membershipSignature),
      events: await this.#eventsOf(record.id),
    };
  }

  /** The sites of an aggregate beside each other, with what their signed reports say. */
  async #figures(round: RoundRecord): Promise<RouteOutput<typeof roundRoutes.get>['figures']> {
    if (round.figures === null) return null;
    const uploads = await this.#uploads.ofRound(round.id);
    const losses = await this.#evaluations.lossesOf(round);
    const sites = round.figures.sites.map((each) => {
      const { before = null, after = null } = losses.get(each.site) ?? {};
      const upload = uploads.find(({ site }) => site === each.site);
      const trainingLoss = upload?.trainingLoss ?? null;
      return { ...each, trainingLoss, lossBefore: before, lossAfter: after };
    });
    const outliers = findOutliers(
      sites.map(({ lossBefore, lossAfter, ...each }) => {
        const lossChange =
          lossBefore === null || lossAfter === null ? null : lossAfter - lossBefore;
        return { ...each, lossChange };
      }),
    );
    const named = sites.map((each) => ({ ...each, outlier: [...(outliers.get(each.site) ?? [])] }));
    return { ...round.figures, sites: named };
  }

  async #eventsOf(id: number): Promise<RouteOutput<typeof roundRoutes.get>['events']> {
    return (await this.#store.events(id)).map((stored) => ({ ...stored }));
  }
}
