/**
 * Loss and AUC of every version in brief, as charts ask for them again and again. What a report says never changes, so its figures are
 * worked out once, and the pooled ones of a version once for the reports that it has.
 */
import { Injectable } from '@nestjs/common';
import { summarizeScores, type ScoreSummary } from '#core/evaluation';
import { activationOfLoss, type Activation } from '#core/protocol';
import { BoundedMap } from '../common/bounded-map.ts';
import type { RouteOutput } from '../common/contract.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { EvaluationFiguresService, type EvaluationRow } from './evaluation-figures.service.ts';
import type { BriefEvaluation, BriefSummary, evaluationRoutes } from './evaluation.contract.ts';
import { alikeReports, pooledFigures, worstFirst } from './figure-views.ts';

/** Reports and versions whose figures are held, some 300 bytes each; of any other they are worked out again. */
const reportsMax = 50_000;
const versionsMax = 10_000;

type BriefSite = BriefEvaluation['sites'][number];
type BriefAdapter = RouteOutput<typeof evaluationRoutes.brief>['localAdapters'][number];
type Pooled = Pick<BriefEvaluation, 'pooled' | 'pooledIntervals'>;

const round6 = (figure: number | null): number | null =>
  figure === null ? null : Math.round(figure * 1e6) / 1e6;

function briefOf(summary: Pick<ScoreSummary, keyof BriefSummary>): BriefSummary {
  return {
    count: summary.count,
    loss: round6(summary.loss),
    balancedAccuracy: round6(summary.balancedAccuracy),
    macroAuc: round6(summary.macroAuc),
    macroAucErrorBound: round6(summary.macroAucErrorBound),
  };
}

/** Loss and AUC of every version in brief. */
@Injectable()
export class EvaluationBriefService {
  readonly #figures: EvaluationFiguresService;
  readonly #tasks: TaskStore;
  /** By digest of the report. */
  readonly #reports = new BoundedMap<string, BriefSummary>(reportsMax);
  /** By task and version, with the digests of the reports that they are of. */
  readonly #pooled = new BoundedMap<string, Pooled & { readonly digests: string }>(versionsMax);

  constructor(figures: EvaluationFiguresService, tasks: TaskStore) {
    this.#figures = figures;
    this.#tasks = tasks;
  }

  /** Every version that was evaluated or asked for. */
  async brief(task: string): Promise<RouteOutput<typeof evaluationRoutes.brief>> {
    const { definition } = await this.#tasks.get(task);
    const rows = await this.#figures.rows(task);
    const asked = await this.#figures.asked(task);
    const decisions = await this.#figures.decisions(task);
    const activation = activationOfLoss(definition.plan.loss);
    const byVersion = new Map<number, EvaluationRow[]>();
    for (const version of asked.keys()) byVersion.set(version, []);
    for (const row of rows.filter(({ subject }) => subject === 'global' || subject === 'local'))
      byVersion.set(row.version, [...(byVersion.get(row.version) ?? []), row]);
    const evaluations: BriefEvaluation[] = [];
    for (const [version, found] of [...byVersion].sort(([a], [b]) => a - b)) {
      const global = found.filter(({ subject }) => subject === 'global');
      const local = found.filter(({ subject }) => subject === 'local');
      evaluations.push({
        ...{ version, decision: decisions.get(version) ?? null },
        absent: this.#figures.absent(definition.members, found, asked.get(version)),
        ...(await this.#pooledOf(`${task}/${version}`, global, activation)),
        sites: (await this.#sites(global)).sort(worstFirst),
        local: (await this.#sites(local)).map((site, at) => ({
          ...{ ...site, round: local[at]?.round ?? 0 },
        })),
      });
    }
    const baselines = rows.filter(({ subject }) => subject === 'baseline');
    const localAdapters: BriefAdapter[] = [];
    for (const adapter of await this.#figures.localAdapters(task, rows)) {
      const { owner, state, reason, absent, found } = adapter;
      const { pooled } = await this.#pooledOf(`${task}/of ${owner}`, found, activation);
      const sites = (await this.#sites(found)).sort(worstFirst);
      localAdapters.push({ owner, state, reason, absent, pooled, sites });
    }
    return { evaluations, baselines: await this.#sites(baselines), localAdapters };
  }

  /** One after the other: a first look at a long task must not keep everybody else waiting. */
  async #sites(rows: readonly EvaluationRow[]): Promise<BriefSite[]> {
    const sites: BriefSite[] = [];
    for (const row of rows) {
      const { site, heldOutImages } = row;
      sites.push({ site, heldOutImages, summary: await this.#summaryOf(row) });
    }
    return sites;
  }

  async #summaryOf(row: EvaluationRow): Promise<BriefSummary> {
    const known = this.#reports.get(row.payloadDigest);
    if (known !== undefined) return known;
    const { report } = await this.#figures.withReport(row);
    const summary = briefOf(summarizeScores(report));
    this.#reports.set(row.payloadDigest, summary);
    return summary;
  }

  async #pooledOf(
    key: string,
    rows: readonly EvaluationRow[],
    activation: Activation,
  ): Promise<Pooled> {
    const digests = rows.map(({ payloadDigest }) => payloadDigest).join();
    const known = this.#pooled.get(key);
    const { pooled, pooledIntervals } =
      known?.digests === digests ? known : await this.#pool(rows, activation);
    this.#pooled.set(key, { pooled, pooledIntervals, digests });
    return { pooled, pooledIntervals };
  }

  async #pool(rows: readonly EvaluationRow[], activation: Activation): Promise<Pooled> {
    const stored = await Promise.all(rows.map((row) => this.#figures.withReport(row)));
    for (const { payloadDigest, report } of stored)
      this.#reports.set(payloadDigest, briefOf(summarizeScores(report)));
    const { pooled, pooledIntervals } = pooledFigures(alikeReports(stored, activation));
    const macroAuc = pooledIntervals?.macroAuc ?? null;
    const rounded = macroAuc && macroAuc.map((end) => round6(end) ?? end);
    const [low, high] = rounded ?? [];
    return {
      pooled: pooled === null ? null : briefOf(pooled),
      pooledIntervals:
        pooledIntervals === null
          ? null
          : { macroAuc: low === undefined || high === undefined ? null : [low, high] },
    };
  }
}
