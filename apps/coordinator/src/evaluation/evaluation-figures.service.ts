/** Figures of versions: each site's own, pooled over the summed reports, and by name whom they are without. */
import { Injectable } from '@nestjs/common';
import { and, asc, eq, inArray, ne } from 'drizzle-orm';
import { z } from 'zod';
import {
  activationOfReport,
  aucIntervals,
  mergeScoreReports,
  scoreReportSchema,
  summarizeScores,
  type ScoreReport,
  type ScoreSummary,
} from '#core/evaluation';
import {
  activationOfLoss,
  decodePayload,
  evaluationPayloadSchema,
  evaluationSubjectSchema,
  siteIdSchema,
  type Activation,
  type EvaluationPayload,
  type SiteId,
} from '#core/protocol';
import type { RouteOutput } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { evaluations, versionDecisions } from '../config/schema.ts';
import { BlobStore } from '../registry/blob-store.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { EvaluationRequestStore, type RequestRecord } from './evaluation-request-store.ts';
import { describeItem } from './evaluation-requests.service.ts';
import type { AbsentSite, evaluationRoutes, VersionEvaluation } from './evaluation.contract.ts';

const rowSchema = z.object({
  subject: evaluationSubjectSchema,
  version: z.number(),
  round: z.number(),
  site: siteIdSchema,
  payloadDigest: z.string(),
  heldOutImages: z.number(),
  receivedAtMs: z.number(),
});
/** A report that a site sent, as it is listed. */
export type EvaluationRow = z.infer<typeof rowSchema>;
/** A report that a site sent, with its meaning checked. */
export type StoredEvaluation = EvaluationRow & {
  readonly payload: EvaluationPayload;
  readonly report: ScoreReport;
};

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

type SiteView = VersionEvaluation['sites'][number];

/** A summary as the contract has it. */
export function summaryView(report: ScoreReport): SiteView['summary'] {
  const figures: ScoreSummary = summarizeScores(report);
  return {
    ...figures,
    recall: [...figures.recall],
    auc: [...figures.auc],
    aucErrorBound: [...figures.aucErrorBound],
    brier: [...figures.brier],
    brierErrorBound: [...figures.brierErrorBound],
    sensitivity: figures.sensitivity.map((at) => ({
      specificity: at.specificity,
      sensitivity: [...at.sensitivity],
      errorBound: [...at.errorBound],
      threshold: [...at.threshold],
    })),
  };
}

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
    const { payloadDigest, heldOutImages, receivedAtMs } = evaluations;
    const rows = await this.#environment.queries
      .select({ subject, version, round, site, payloadDigest, heldOutImages, receivedAtMs })
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
          ne(evaluations.subject, 'baseline'),
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
    const evaluated = rows.filter(({ subject }) => subject !== 'baseline');
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
    };
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
    const status = this.#roster.find(site)?.status;
    const standing = status === 'active' || status === undefined ? '' : `, the site is ${status}`;
    const what = item === undefined ? 'no report yet' : describeItem(item);
    return { site, state: item?.state ?? null, reason: `${what}${standing}` };
  }
}

function siteView({
  site,
  heldOutImages,
  receivedAtMs,
  report,
  payload,
}: StoredEvaluation): SiteView {
  return {
    ...{ site, heldOutImages, receivedAtMs },
    summary: summaryView(report),
    heldOutGroups: payload.grouping?.groups ?? null,
    intervals: payload.bootstrap ?? null,
    comparison: payload.comparison ?? null,
  };
}

/** Undefined last: it is neither good nor bad. */
const worstFirst = (a: SiteView, b: SiteView): number =>
  (a.summary.macroAuc ?? Infinity) - (b.summary.macroAuc ?? Infinity) || (a.site < b.site ? -1 : 1);

/**
 * Figures of one version; reports add up in ascending order of the sites. One that was scored otherwise than the loss of its task
 * asks for, as earlier builds of the agent did, stands by itself.
 */
function versionFigures(
  version: number,
  rows: readonly StoredEvaluation[],
  activation: Activation,
): Omit<VersionEvaluation, 'absent' | 'decision'> {
  const global = rows.filter(({ subject }) => subject === 'global');
  const alike = alikeReports(global, activation);
  return {
    version,
    ...pooledFigures(alike),
    sites: global.map(siteView).sort(worstFirst),
    local: rows
      .filter(({ subject }) => subject === 'local')
      .map((row) => ({ ...siteView(row), round: row.round })),
  };
}

/** Reports that add up: scored as the loss of their task asks for, which earlier builds of the agent did otherwise. */
export function alikeReports(
  rows: readonly StoredEvaluation[],
  activation: Activation,
): readonly StoredEvaluation[] {
  return rows.filter(({ report }) => activationOfReport(report) === activation);
}

/** Figures over the summed reports; intervals where every report says how many patients it is of. */
export function pooledFigures(
  rows: readonly StoredEvaluation[],
): Pick<VersionEvaluation, 'pooled' | 'pooledIntervals'> {
  if (rows.length === 0) return { pooled: null, pooledIntervals: null };
  const merged = mergeScoreReports(rows.map(({ report }) => report));
  const groupings = rows.flatMap(({ payload }) => payload.grouping ?? []);
  if (groupings.length < rows.length) return { pooled: summaryView(merged), pooledIntervals: null };
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const intervals = aucIntervals(merged, {
    groups: sum(groupings.map(({ groups }) => groups)),
    squares: sum(groupings.map(({ squares }) => squares)),
  });
  const copy = (ends: readonly [number, number] | null): [number, number] | null =>
    ends && [ends[0], ends[1]];
  return {
    pooled: summaryView(merged),
    pooledIntervals: { auc: intervals.auc.map(copy), macroAuc: copy(intervals.macroAuc) },
  };
}
