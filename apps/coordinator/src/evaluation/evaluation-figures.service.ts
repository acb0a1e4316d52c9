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
import { BoundedMap } from '../common/bounded-map.ts';
import { Environment } from '../common/environment.ts';
import { HeldRows } from '../common/held-rows.ts';
import type { Queries } from '../config/database.ts';
import { evaluations, versionDecisions } from '../config/schema.ts';
import { BlobStore } from '../registry/blob-store.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { EvaluationRequestStore, type ItemRecord } from './evaluation-request-store.ts';
import type { AbsentSite, evaluationRoutes, VersionEvaluation } from './evaluation.contract.ts';
import { siteFigures, siteView, versionFigures, type SiteReport } from './figure-views.ts';
import { localAdaptersOf, type LocalAdapter } from './local-adapter-figures.ts';
import { describeItem } from './request-views.ts';

/** Tasks whose reports are held, some 400 bytes each; of any other task they are read when they are asked for. */
const heldTasksMax = 16;
/** Losses that are held, some 150 bytes each. */
const lossesMax = 10_000;

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

/** What became of one version at the sites that were asked for it. */
type AskedItems = ReadonlyMap<string, ItemRecord>;

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
  /** By task. */
  readonly #rows = new BoundedMap<string, HeldRows<number, EvaluationRow>>(heldTasksMax);
  /** By digest of the report, which never changes. */
  readonly #losses = new BoundedMap<string, { readonly loss: number | null }>(lossesMax);

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

  /** The same without what the reports say. Held in memory, since charts ask for it with every look. */
  async rows(task: string): Promise<readonly EvaluationRow[]> {
    const held = this.#rows.get(task) ?? new HeldRows(() => this.#readRows(task));
    this.#rows.set(task, held);
    return [...(await held.all()).values()];
  }

  /** Read the reports of a task again after a transaction that stores one. */
  readAgainAfter(transaction: Queries, task: string): void {
    this.#environment.transactions.whenEnded(transaction, () => {
      this.#rows.get(task)?.forget();
    });
  }

  async #readRows(task: string): Promise<Map<number, EvaluationRow>> {
    const { subject, version, round, site } = evaluations;
    const { payloadDigest, heldOutImages, receivedAtMs, owner } = evaluations;
    const rows = await this.#environment.queries
      .select({ subject, version, round, site, owner, payloadDigest, heldOutImages, receivedAtMs })
      .from(evaluations)
      .where(eq(evaluations.task, task))
      .orderBy(asc(version), asc(site), asc(round));
    return new Map(z.array(rowSchema).parse(rows).entries());
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
      const parsed = rowSchema.parse(row);
      const { site, subject } = parsed;
      const known = found.get(site) ?? { before: null, after: null };
      const { loss } = await this.#lossOf(parsed);
      found.set(site, { ...known, [subject === 'global' ? 'before' : 'after']: loss });
    }
    return found;
  }

  async #lossOf(row: EvaluationRow): Promise<{ readonly loss: number | null }> {
    const known = this.#losses.get(row.payloadDigest);
    if (known !== undefined) return known;
    const { loss } = summarizeScores((await this.withReport(row)).report);
    this.#losses.set(row.payloadDigest, { loss });
    return { loss };
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
    const asked = await this.asked(task);
    const evaluated = rows.filter(({ subject }) => subject === 'global' || subject === 'local');
    const versions = new Set([...evaluated.map(({ version }) => version), ...asked.keys()]);
    const activation = activationOfLoss(definition.plan.loss);
    const decisions = await this.decisions(task);
    return {
      classes: [...definition.classes],
      evaluations: [...versions]
        .sort((a, b) => a - b)
        .map((version) => {
          const found = evaluated.filter((row) => row.version === version);
          const absent = this.absent(definition.members, found, asked.get(version));
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

  /** What became last of each version at each site that was asked for it beside the rounds. */
  async asked(task: string): Promise<ReadonlyMap<number, AskedItems>> {
    const asked = new Map<number, Map<string, ItemRecord>>();
    for (const item of await this.#requests.lastItems(task)) {
      const ofVersion = asked.get(item.version) ?? new Map<string, ItemRecord>();
      asked.set(item.version, ofVersion.set(item.site, item));
    }
    return asked;
  }

  /** The planned sites that are in no figure of a version, with the reason. */
  absent(
    members: readonly SiteId[],
    rows: readonly EvaluationRow[],
    asked: AskedItems | undefined,
  ): AbsentSite[] {
    const reported = new Set<string>(
      rows.filter(({ subject }) => subject === 'global').map(({ site }) => site),
    );
    return members
      .filter((site) => !reported.has(site))
      .map((site) => this.#describeAbsent(site, asked?.get(site)));
  }

  #describeAbsent(site: SiteId, item: ItemRecord | undefined): AbsentSite {
    const status = this.#roster.find(site)?.status;
    const standing = status === 'active' || status === undefined ? '' : `, the site is ${status}`;
    const what = item === undefined ? 'no report yet' : describeItem(item);
    return { site, state: item?.state ?? null, reason: `${what}${standing}` };
  }
}
