/** Signed score reports of sites: kept as they came, summed for the pooled figures. */
import { Injectable } from '@nestjs/common';
import { and, asc, eq, inArray, ne } from 'drizzle-orm';
import { z } from 'zod';
import { signDomains, type SignedEnvelope } from '#core/crypto';
import { InputError, ProtocolError, StateError } from '#core/errors';
import {
  activationOfReport,
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
  parseMessage,
  siteIdSchema,
  type Activation,
  type EvaluationPayload,
  type SiteId,
} from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { Environment } from '../common/environment.ts';
import { evaluations } from '../config/schema.ts';
import { BlobStore } from '../registry/blob-store.ts';
import { VersionsService } from '../registry/versions.service.ts';
import { RoundStore } from '../rounds/round-store.ts';
import { findMember } from '../rounds/member-status.ts';
import { SignedBySite } from '../rounds/signed-by-site.ts';
import { TaskStore } from '../tasks/task-store.ts';
import type { VersionEvaluation } from './evaluation.contract.ts';

const rowSchema = z.object({
  subject: z.enum(['global', 'local']),
  version: z.number(),
  round: z.number(),
  site: siteIdSchema,
  payloadDigest: z.string(),
  heldOutImages: z.number(),
  receivedAtMs: z.number(),
});
type Row = z.infer<typeof rowSchema> & { readonly report: ScoreReport };

/** A site's losses around one round; null where there is no report, or no image behind it. */
export interface RoundLosses {
  readonly before: number | null;
  readonly after: number | null;
}

type Summary = VersionEvaluation['sites'][number]['summary'];

function summary(report: ScoreReport): Summary {
  const figures: ScoreSummary = summarizeScores(report);
  return {
    ...figures,
    recall: [...figures.recall],
    auc: [...figures.auc],
    aucErrorBound: [...figures.aucErrorBound],
  };
}

/** Signed score reports. */
@Injectable()
export class EvaluationsService {
  readonly #environment: Environment;
  readonly #signed: SignedBySite;
  readonly #tasks: TaskStore;
  readonly #versions: VersionsService;
  readonly #rounds: RoundStore;
  readonly #blobs: BlobStore;
  readonly #audit: AuditService;

  constructor(
    environment: Environment,
    signed: SignedBySite,
    tasks: TaskStore,
    versions: VersionsService,
    rounds: RoundStore,
    blobs: BlobStore,
    audit: AuditService,
  ) {
    this.#environment = environment;
    this.#signed = signed;
    this.#tasks = tasks;
    this.#versions = versions;
    this.#rounds = rounds;
    this.#blobs = blobs;
    this.#audit = audit;
  }

  /** Take a signed evaluation; a later one of the same subject replaces the earlier one. */
  async take(site: SiteId, envelope: SignedEnvelope): Promise<void> {
    const schema = evaluationPayloadSchema;
    const message = this.#signed.open(site, signDomains.evaluation, envelope, schema);
    await this.#check(site, message);
    const payloadDigest = await this.#blobs.put(envelope.payload);
    const { task, subject, version, heldOutImages } = message;
    const { round } = message;
    const key = { task, subject, version, round: round ?? 0, site };
    const values = {
      payloadDigest,
      signature: envelope.signature,
      heldOutImages,
      receivedAtMs: this.#environment.clock.wallTimeMs(),
    };
    await this.#environment.transactions.run(async (transaction) => {
      const stored = await transaction
        .insert(evaluations)
        .values({ ...key, ...values })
        .onConflictDoUpdate({
          target: [
            evaluations.task,
            evaluations.subject,
            evaluations.version,
            evaluations.round,
            evaluations.site,
          ],
          set: values,
          setWhere: ne(evaluations.payloadDigest, payloadDigest),
        })
        .returning({ site: evaluations.site });
      if (stored.length === 0) return; // a repeat of the same report
      await this.#audit.append(transaction, {
        actor: `site:${site}`,
        action: 'evaluation.taken',
        target: `task:${task}`,
        details: { subject, version, round, payloadDigest },
      });
    });
  }

  async #check(site: SiteId, message: EvaluationPayload): Promise<void> {
    const { definition } = await this.#tasks.get(message.task);
    const report = parseMessage(scoreReportSchema, message.report, 'evaluation');
    if (report.classes !== definition.classes.length || report.count > message.heldOutImages) {
      throw new ProtocolError(
        'MESSAGE_INVALID',
        `evaluation: expected ${definition.classes.length} classes and at most ${message.heldOutImages} images, got ${report.classes} and ${report.count}`,
        {},
        { sites: [site] },
      );
    }
    const expected = activationOfLoss(definition.plan.loss);
    if (activationOfReport(report) !== expected) {
      throw new ProtocolError(
        'MESSAGE_INVALID',
        `evaluation: expected scores by ${expected}, as the task's loss wants them, got ${activationOfReport(report)}; use an agent of this release`,
        {},
        { sites: [site] },
      );
    }
    if (!definition.members.includes(site)) {
      throw new StateError('NOT_A_MEMBER', `evaluation: site ${site} is not a member of this task`);
    }
    const version = await this.#versions.get(message.task, message.version);
    if (message.subject === 'global') {
      if (message.adapterDigest === version.adapterDigest && message.round === null) return;
      throw new ProtocolError(
        'DIGEST_MISMATCH',
        `evaluation: expected version ${message.version} (${version.adapterDigest.slice(0, 16)}) and no round; evaluate the file that was published`,
        {},
        { sites: [site] },
      );
    }
    const round =
      message.round === null
        ? null
        : await this.#rounds.latest(message.task, { round: message.round });
    if (round !== null && findMember(round, site) !== undefined) return;
    throw new InputError(
      'REQUEST_INVALID',
      'evaluation: expected the round in which this site trained its own adapter; name it',
    );
  }

  /** The figures of every version of a task. */
  async figures(
    task: string,
  ): Promise<{ readonly classes: string[]; readonly evaluations: VersionEvaluation[] }> {
    const { definition } = await this.#tasks.get(task);
    const rows = await this.#environment.queries
      .select()
      .from(evaluations)
      .where(eq(evaluations.task, task))
      .orderBy(asc(evaluations.version), asc(evaluations.site), asc(evaluations.round));
    const reports = await Promise.all(rows.map((row) => this.#withReport(rowSchema.parse(row))));
    const byVersion = new Map<number, Row[]>();
    for (const row of reports) {
      byVersion.set(row.version, [...(byVersion.get(row.version) ?? []), row]);
    }
    const activation = activationOfLoss(definition.plan.loss);
    return {
      classes: [...definition.classes],
      evaluations: [...byVersion].map(([version, found]) =>
        versionFigures(version, found, activation),
      ),
    };
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
          eq(evaluations.version, round.baseVersion),
          inArray(evaluations.round, [0, round.round]),
        ),
      );
    const found = new Map<string, RoundLosses>();
    for (const row of rows) {
      const { site, subject, report } = await this.#withReport(rowSchema.parse(row));
      const known = found.get(site) ?? { before: null, after: null };
      const { loss } = summarizeScores(report);
      found.set(site, { ...known, [subject === 'global' ? 'before' : 'after']: loss });
    }
    return found;
  }

  async #withReport(row: z.infer<typeof rowSchema>): Promise<Row> {
    const payload = await this.#blobs.get(row.payloadDigest);
    const { report } = decodePayload(evaluationPayloadSchema, payload, 'stored evaluation');
    return { ...row, report: scoreReportSchema.parse(report) };
  }
}

/**
 * Figures of one version; reports add up in ascending order of the sites. One that was scored otherwise than the loss of its task
 * asks for, as earlier builds of the agent did, stands by itself.
 */
function versionFigures(
  version: number,
  rows: readonly Row[],
  activation: Activation,
): VersionEvaluation {
  const global = rows.filter(({ subject }) => subject === 'global');
  const alike = global
    .map(({ report }) => report)
    .filter((report) => activationOfReport(report) === activation);
  const view = ({ site, heldOutImages, receivedAtMs, report }: Row) => ({
    site,
    heldOutImages,
    receivedAtMs,
    summary: summary(report),
  });
  return {
    version,
    pooled: alike.length === 0 ? null : summary(mergeScoreReports(alike)),
    sites: global.map(view),
    local: rows
      .filter(({ subject }) => subject === 'local')
      .map((row) => ({ ...view(row), round: row.round })),
  };
}
