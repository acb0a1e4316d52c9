/** Signed score reports of sites: checked, and kept as they came. */
import { Injectable } from '@nestjs/common';
import { ne } from 'drizzle-orm';
import { signDomains, type SignedEnvelope } from '#core/crypto';
import { InputError, ProtocolError, StateError } from '#core/errors';
import { activationOfReport, scoreReportSchema } from '#core/evaluation';
import {
  activationOfLoss,
  evaluationPayloadSchema,
  parseMessage,
  type EvaluationPayload,
  type SiteId,
  type TaskId,
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
import { EvaluationFiguresService } from './evaluation-figures.service.ts';
import { EvaluationRequestStore } from './evaluation-request-store.ts';
import { EvaluationRequestsService } from './evaluation-requests.service.ts';
import { digestAsked } from './request-views.ts';
import { VersionRulesService } from './version-rules.service.ts';

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
  readonly #requests: EvaluationRequestsService;
  readonly #requestStore: EvaluationRequestStore;
  readonly #rules: VersionRulesService;
  readonly #figures: EvaluationFiguresService;

  constructor(
    environment: Environment,
    signed: SignedBySite,
    tasks: TaskStore,
    versions: VersionsService,
    rounds: RoundStore,
    blobs: BlobStore,
    audit: AuditService,
    requests: EvaluationRequestsService,
    requestStore: EvaluationRequestStore,
    rules: VersionRulesService,
    figures: EvaluationFiguresService,
  ) {
    this.#environment = environment;
    this.#signed = signed;
    this.#tasks = tasks;
    this.#versions = versions;
    this.#rounds = rounds;
    this.#blobs = blobs;
    this.#audit = audit;
    this.#requests = requests;
    this.#requestStore = requestStore;
    this.#rules = rules;
    this.#figures = figures;
  }

  /** Take a signed evaluation; a later one of the same subject replaces the earlier one. */
  async take(site: SiteId, envelope: SignedEnvelope): Promise<void> {
    const schema = evaluationPayloadSchema;
    const message = this.#signed.open(site, signDomains.evaluation, envelope, schema);
    await this.#check(site, message);
    const owner =
      message.subject === 'cross'
        ? await this.#ownerOf(message.task, site, message.adapterDigest)
        : '';
    const payloadDigest = await this.#blobs.put(envelope.payload);
    const { task, subject, version, heldOutImages } = message;
    const { round } = message;
    const key = { task, subject, version, round: round ?? 0, site, owner };
    const values = {
      payloadDigest,
      signature: envelope.signature,
      heldOutImages,
      receivedAtMs: this.#environment.clock.wallTimeMs(),
    };
    const answered = await this.#requests.answeredBy({ ...message, owner });
    await this.#environment.transactions.run(async (transaction) => {
      this.#figures.readAgainAfter(transaction, task);
      await this.#requests.markDone(transaction, answered, message);
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
            evaluations.owner,
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
        details: {
          ...{ subject, version, round, payloadDigest },
          ...(owner === '' ? {} : { owner }),
        },
      });
    });
    if (answered.length > 0) this.#requests.settleSoon();
    this.#rules.note(task);
  }

  /**
   * Find whose adapter a site was asked to evaluate.
   *
   * @throws InputError NOT_FOUND for any digest that this site was not asked about
   */
  async #ownerOf(task: TaskId, site: SiteId, adapterDigest: string): Promise<SiteId> {
    const found = (await this.#requestStore.listOfLocalAdapters(task)).find(
      (each) =>
        each.subject === 'cross' &&
        each.items.some((item) => item.site === site) &&
        digestAsked(each) === adapterDigest,
    );
    if (found !== undefined && found.owner !== null) return found.owner;
    throw new InputError(
      'NOT_FOUND',
      `evaluation: expected an adapter of ${task} that this site was asked to evaluate, ${adapterDigest.slice(0, 16)} is not one; evaluate the file that came with the request`,
    );
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
    if (message.subject === 'baseline') {
      if (definition.localBaseline === true && version.version === 0 && message.round === null)
        return;
      throw new InputError(
        'REQUEST_INVALID',
        'evaluation: expected a task that asks for baselines, version 0 and no round; evaluate the version itself',
      );
    }
    if (message.subject === 'cross') {
      if (definition.crossEvaluation === true && version.version === 0 && message.round === null)
        return; // which adapter it is, the requests know
      throw new InputError(
        'REQUEST_INVALID',
        'evaluation: expected a task that asks for the adapters of sites, number 0 and no round; evaluate the version itself',
      );
    }
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
}
