/** Figures of versions: each site's own, pooled over the summed reports, and by name whom they are without. */
import { Injectable } from '@nestjs/common';
import { and, asc, eq, inArray } from 'drizzle-orm';
import { z } from 'zod';
import { scoreReportSchema, summarizeScores } from '#core/evaluation';
import {
  activationOfLoss,
  decodePayload,
  evaluationPayloadSchema,
  evaluationSubjectSchema,
  siteIdSchema,
  type SiteId,
} from '#core/protocol';
import type { RouteOutput } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { evaluations, versionDecisions } from '../config/schema.ts';
import { BlobStore } from '../registry/blob-store.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import {
  EvaluationRequestStore,
  type ItemRecord,
  type RequestRecord,
} from './evaluation-request-store.ts';
import type { AbsentSite, evaluationRoutes, VersionEvaluation } from './evaluation.contract.ts';
import { siteFigures, siteView, versionFigures, type SiteReport } from './figure-views.ts';
import { localAdaptersOf, type LocalAdapter } from './local-adapter-figures.ts';
import { describeItem } from './request-views.ts';

const rowSchema = z.object({
  subject: evaluationSubjectSchema,
  version: z.number(),
  round: z.number(),
  site: siteIdSchema,
  payloadDigest: z.string(),
  heldOutImages: z.number(),
  receivedAtMs: z.number(),
  /** Of `cross`: the site that trained the adapter; else empty. */
  owner: z.string(),
});
/** A report that a site sent, as it is listed. */
export type EvaluationRow = z.infer<typeof rowSchema>;
/** A report that a site sent, with its meaning checked. */
export type StoredEvaluation = EvaluationRow & SiteReport;

/** A site's losses around one round; null where there is no report, or no image behind it. */
export interface RoundLosses {
  readonly before: number | null;
  readonly after: number | null;
}

const decisionSchema = z.object({
  version: z.number(),
  promotion: z.enum(['promoted', 'refused', 'none']),
  isStopped: z.boolean(),
  reason: z.string(),
  decidedAtMs: z.number(),
});

/** Figures of versions. */
@Injectable()
export class EvaluationFiguresService {
  readonly #environment: Environment;
  readonly #tasks: TaskStore;
  readonly #blobs: BlobStore;
  readonly #requests: EvaluationRequestStore;
  readonly #roster: RosterService;

  constructor(
    environment: Environment,
    tasks: TaskStore,
    blobs: BlobStore,
    requests: EvaluationRequestStore,
    roster: RosterService,
  ) {
    this.#environment = environment;
    this.#tasks = tasks;
    this.#blobs = blobs;
    this.#requests = requests;
    this.#roster = roster;
  }

  /** Every report of a task, by version, site and round. */
  async stored(task: string): Promise<readonly StoredEvaluation[]> {
    return Promise.all((await this.rows(task)).map((row) => this.withReport(row)));
  }

  /** The same without what the reports say. */
  async rows(task: string): Promise<readonly EvaluationRow[]> {
    const { subject, version, round, site } = evaluations;
    const { payloadDigest, heldOutImages, receivedAtMs, owner } = evaluations;
    const rows = await this.#environment.queries
      .select({ subject, version, round, site, owner, payloadDigest, heldOutImages, receivedAtMs })
      .from(evaluations)
      .where(eq(evaluations.task, task))
      .orderBy(asc(version), asc(site), asc(round));
    return z.array(rowSchema).parse(rows);
  }

  /** Each site's mean loss on its held-out images before and after it trained in a round; null where it reported none. */
  async lossesOf(round: {
    readonly task: string;
    readonly round: number;
    readonly baseVersion: number;
  }): Promise<ReadonlyMap<string, RoundLosses>> {
    const rows = await this.#environment.queries
      .select()
      .from(evaluations)
      .where(
        and(
          eq(evaluations.task, round.task),
          inArray(evaluations.subject, ['global', 'local']),
          eq(evaluations.version, round.baseVersion),
          inArray(evaluations.round, [0, round.round]),
        ),
      );
    const found = new Map<string, RoundLosses>();
    for (const row of rows) {
      const { site, subject, report } = await this.withReport(rowSchema.parse(row));
      const known = found.get(site) ?? { before: null, after: null };
      const { loss } = summarizeScores(report);
      found.set(site, { ...known, [subject === 'global' ? 'before' : 'after']: loss });
    }
    return found;
  }

  /** What a report says, read from its blob. */
  async withReport(row: EvaluationRow): Promise<StoredEvaluation> {
    const bytes = await this.#blobs.get(row.payloadDigest);
    const payload = decodePayload(evaluationPayloadSchema, bytes, 'stored evaluation');
    return { ...row, payload, report: scoreReportSchema.parse(payload.report) };
  }

  /** The figures of every version that was evaluated or asked for. */
  async figures(task: string): Promise<RouteOutput<typeof evaluationRoutes.list>> {
    const { definition } = await this.#tasks.get(task);
    const rows = await this.stored(task);
    const requests = (await this.#requests.list(task)).filter((each) => each.subject === 'global');
    const asked = requests.flatMap(({ items }) => items.map(({ version }) => version));
    const evaluated = rows.filter(({ subject }) => subject === 'global' || subject === 'local');
    const versions = new Set([...evaluated.map(({ version }) => version), ...asked]);
    const activation = activationOfLoss(definition.plan.loss);
    const decisions = await this.decisions(task);
    return {
      classes: [...definition.classes],
      evaluations: [...versions]
        .sort((a, b) => a - b)
        .map((version) => {
          const found = evaluated.filter((row) => row.version === version);
          const absent = definition.members.flatMap(
            (site) => this.absence(site, version, found, requests) ?? [],
          );
          const decision = decisions.get(version) ?? null;
          return { ...versionFigures(version, found, activation), decision, absent };
        }),
      baselines: rows.filter(({ subject }) => subject === 'baseline').map(siteView),
      localAdapters: (await this.localAdapters(task, rows)).map(({ found, ...adapter }) => ({
        ...adapter,
        ...siteFigures(found, activation),
      })),
    };
  }

  /** The adapters that sites trained alone, each with the reports on it. */
  async localAdapters<Row extends EvaluationRow>(
    task: string,
    rows: readonly Row[],
  ): Promise<LocalAdapter<Row>[]> {
    const { definition } = await this.#tasks.get(task);
    const isAsked = definition.crossEvaluation === true;
    const requests = isAsked ? await this.#requests.listOfLocalAdapters(task) : [];
    return localAdaptersOf({
      ...{ definition, rows, requests },
      describe: (site, item) => this.#describeAbsent(site, item),
    });
  }

  /** What the rules of a task said, by version. */
  async decisions(task: string): Promise<ReadonlyMap<number, VersionEvaluation['decision']>> {
    const rows = await this.#environment.queries
      .select()
      .from(versionDecisions)
      .where(eq(versionDecisions.task, task));
    return new Map(
      rows.map((row) => {
        const { version, ...decision } = decisionSchema.parse(row);
        return [version, decision];
      }),
    );
  }

  /** Why a planned site is in no figure of a version; null where it reported. */
  absence(
    site: SiteId,
    version: number,
    rows: readonly EvaluationRow[],
    requests: readonly RequestRecord[],
  ): AbsentSite | null {
    if (rows.some((row) => row.subject === 'global' && row.site === site)) return null;
    const item = requests
      .flatMap(({ items }) => items)
      .find((each) => each.site === site && each.version === version);
    return this.#describeAbsent(site, item);
  }

  #describeAbsent(site: SiteId, item: ItemRecord | undefined): AbsentSite {
    const status = this.#roster.find(site)?.status;
    const standing = status === 'active' || status === undefined ? '' : `, the site is ${status}`;
    const what = item === undefined ? 'no report yet' : describeItem(item);
    return { site, state: item?.state ?? null, reason: `${what}${standing}` };
  }
}
