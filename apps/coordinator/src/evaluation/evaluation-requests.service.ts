/**
 * Evaluations that are asked for beside the rounds: stored before anybody hears of them, pulled by sites, done, declined or lost at the
 * deadline. A site that is away does them when it is back.
 */
import { Injectable } from '@nestjs/common';
import { toHex } from '#core/bytes';
import { randomBytes, signDomains, signPayload, type SignedEnvelope } from '#core/crypto';
import { InputError, StateError } from '#core/errors';
import {
  encodePayload,
  evaluationDeclineSchema,
  evaluationRequestSchema,
  limits,
  protocolVersion,
  type AskedEvaluation,
  type EvaluationRequest,
  type RequestSubject,
  type SiteId,
  type SiteResponse,
  type TaskId,
} from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { BackgroundWork } from '../common/background-work.ts';
import { Changes } from '../common/changes.ts';
import { isRepeatedCommand } from '../common/command-context.ts';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { VersionsService } from '../registry/versions.service.ts';
import { crossEvaluationHindrance } from '../rounds/agent-release.ts';
import { DeadlinesService } from '../rounds/deadlines.service.ts';
import { SignedBySite } from '../rounds/signed-by-site.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import {
  EvaluationRequestStore,
  type ItemRecord,
  type RequestRecord,
  type StoredAdapter,
} from './evaluation-request-store.ts';
import type {
  EvaluationRequestBody,
  EvaluationRequestView,
  RequestsQuery,
} from './evaluation-requests.contract.ts';
import { crossReference } from './local-adapter-keys.ts';
import { viewOf } from './request-views.ts';

/** How often deadlines are looked at. */
const lookMs = 1000;

type ItemState = Pick<ItemRecord, 'state' | 'code' | 'reason'>;

/** What is there is evaluated before anything is trained for it, and trained before it is sent. */
const patience = { global: 0, cross: 0, baseline: 1, 'baseline-upload': 2 } as const;

/** Evaluations that are asked for. */
@Injectable()
export class EvaluationRequestsService {
  readonly #environment: Environment;
  readonly #store: EvaluationRequestStore;
  readonly #tasks: TaskStore;
  readonly #versions: VersionsService;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;
  readonly #signed: SignedBySite;
  readonly #audit: AuditService;
  readonly #background: BackgroundWork;
  readonly #changes: Changes;

  constructor(
    environment: Environment,
    store: EvaluationRequestStore,
    tasks: TaskStore,
    versions: VersionsService,
    roster: RosterService,
    connections: ConnectionsService,
    signed: SignedBySite,
    audit: AuditService,
    background: BackgroundWork,
    changes: Changes,
    deadlines: DeadlinesService,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#tasks = tasks;
    this.#versions = versions;
    this.#roster = roster;
    this.#connections = connections;
    this.#signed = signed;
    this.#audit = audit;
    this.#background = background;
    this.#changes = changes;
    deadlines.whenShifted.push((transaction, byMs) => store.shiftDeadlines(transaction, byMs));
  }

  /** Look at deadlines from now on. */
  start(): void {
    this.#background.startEvery('evaluation-requests', lookMs, () => this.settleDue());
  }

  /** Ask for evaluations of versions. */
  async create(task: TaskId, body: EvaluationRequestBody): Promise<EvaluationRequestView> {
    const record = await this.#tasks.get(task);
    const made = isRepeatedCommand() ? await this.#store.newestOfVersions(task) : null;
    if (made !== null) return viewOf(made);
    const { members } = record.definition;
    const stranger = body.sites?.find((site) => !members.includes(site));
    if (stranger !== undefined) {
      throw new StateError(
        'NOT_A_MEMBER',
        `evaluation: expected sites of ${task}, ${stranger} is not a member; its members are ${members.join(', ')}`,
        { site: stranger },
      );
    }
    const open = (await this.#store.open()).filter(
      (each) => each.task === task && each.subject === 'global',
    );
    if (open.length >= limits.evaluationRequestsMax) {
      throw new StateError(
        'STATE_CONFLICT',
        `evaluation: expected fewer than ${limits.evaluationRequestsMax} open requests of ${task}; wait until one is closed`,
        { open: open.length },
      );
    }
    const versions = await Promise.all(
      body.versions.map((version) => this.#versions.get(task, version)),
    );
    const request = await this.#environment.transactions.run((transaction) =>
      this.insert(transaction, task, {
        subject: 'global',
        versions: versions.map(({ version, adapterDigest }) => ({ version, adapterDigest })),
        baseline: null,
        sites: [...(body.sites ?? members)].sort(),
        deadlineMs: body.deadlineMs,
        reason: body.reason ?? null,
      }),
    );
    this.#connections.announce();
    const stored = await this.#store.find(task, request);
    if (stored === null) throw new StateError('STATE_CONFLICT', 'evaluation: ask again');
    return viewOf(stored);
  }

  /** Store a signed request within a transaction; returns its name. */
  async insert(
    transaction: Queries,
    task: TaskId,
    about: Pick<
      EvaluationRequest,
      'subject' | 'versions' | 'baseline' | 'sites' | 'uploadPublicKey'
    > & { readonly deadlineMs: number; readonly reason: string | null },
    adapter: Partial<StoredAdapter> = {},
  ): Promise<string> {
    const { federation, keys, clock } = this.#environment;
    const { deadlineMs, reason, ...asked } = about;
    const request = toHex(randomBytes(8));
    const requestedAtMs = clock.wallTimeMs();
    const deadlineAtMs = requestedAtMs + deadlineMs;
    const payload = encodePayload(evaluationRequestSchema, {
      ...{ type: 'evaluation-request', protocol: protocolVersion, federation, task, request },
      ...{ ...asked, requestedAtMs, deadlineAtMs },
    });
    const signed = signPayload(signDomains.evaluationRequest, payload, keys.signing.secretKey);
    const versions = asked.versions.map(({ version }) => version);
    await this.#store.insert(transaction, {
      ...{ request, task, subject: asked.subject, reason, requestedAtMs, deadlineAtMs, signed },
      ...{ owner: null, ciphertextDigest: null, ciphertextBytes: null, wrappedKey: null },
      ...adapter,
      items: versions.flatMap((version) =>
        asked.sites.map((site) => ({ version, site, ...this.#firstState(site) })),
      ),
    });
    await this.#audit.append(transaction, {
      actor: asked.subject === 'global' ? 'administrator' : 'coordinator',
      action: 'evaluation.requested',
      target: `task:${task}`,
      details: {
        request,
        subject: asked.subject,
        versions,
        sites: asked.sites,
        owner: adapter.owner ?? null,
        deadlineMs,
        reason,
      },
    });
    return request;
  }

  /** Who is gone for good is not waited for. */
  #firstState(site: string): ItemState {
    const status = this.#roster.find(site)?.status;
    if (status !== 'revoked' && status !== 'left')
      return { state: 'asked', code: null, reason: null };
    return { state: 'lost', code: null, reason: `the site is ${status}` };
  }

  /** Whether a site will not come back. */
  isGone(site: string): boolean {
    return this.#firstState(site).state === 'lost';
  }

  /** Where a site's part in a request stands before it has answered: a running agent that cannot do it is not waited for either. */
  #stateNow(site: SiteId, subject: RequestSubject): ItemState {
    const isNew = subject === 'baseline-upload' || subject === 'cross';
    if (!isNew || !this.#connections.isConnected(site)) return this.#firstState(site);
    const reason = crossEvaluationHindrance(this.#roster.find(site)?.agentVersion ?? null);
    if (reason === null) return this.#firstState(site);
    return { state: 'declined', code: 'AGENT_VERSION_TOO_OLD', reason };
  }

  /** What a site is asked: versions first, then what takes long. */
  async pull(site: SiteId): Promise<SiteResponse<'evaluation:get'>> {
    const { agreementPublicKey } = this.#roster.activeKeys(site);
    const tasks = new Map((await this.#tasks.list()).map(({ task, status }) => [task, status]));
    const waiting = (await this.#store.open())
      .filter(({ task }) => tasks.get(task) !== 'created') // not started: nobody works for it yet
      .flatMap((request) =>
        request.items
          .filter((item) => item.site === site && item.state === 'asked')
          .map(({ version }) => ({ request, version })),
      )
      .sort((a, b) => patience[a.request.subject] - patience[b.request.subject]);
    const asked: AskedEvaluation[] = [];
    for (const { request, version } of waiting.slice(0, limits.itemsPerMessageMax)) {
      const { payload, signature } = request;
      asked.push({
        request: { payload, signature },
        adapter:
          request.subject === 'cross'
            ? crossReference(request, this.#environment.keys.wrappingKey, agreementPublicKey)
            : this.#versions.referenceFor(
                await this.#versions.get(request.task, version),
                agreementPublicKey,
              ),
      });
    }
    return { ok: true, asked, hasMore: waiting.length > asked.length };
  }

  /** Take a site's word that it does not evaluate a version; a repeat changes nothing. */
  async decline(site: SiteId, envelope: SignedEnvelope): Promise<void> {
    const domain = signDomains.evaluationDecline;
    const message = this.#signed.open(site, domain, envelope, evaluationDeclineSchema);
    const { request, version, code, reason, task } = message;
    const known = await this.#store.find(task, request);
    if (known?.items.some((item) => item.site === site && item.version === version) !== true) {
      throw new InputError(
        'NOT_FOUND',
        `evaluation: expected a request of ${task} to this site, ${request} is not one; ask again with evaluation:get`,
        { request },
      );
    }
    await this.#environment.transactions.run(async (transaction) => {
      const to = { state: 'declined', code, reason } as const;
      const changed = await this.#store.settle(transaction, request, { site, version }, to);
      if (changed.length === 0) return;
      await this.#audit.append(transaction, {
        actor: `site:${site}`,
        action: 'evaluation.declined',
        target: `task:${task}`,
        details: { request, version, code, reason },
      });
    });
    this.settleSoon();
  }

  /** The open requests that a report answers; to be asked for before the transaction that stores it. */
  async answeredBy(report: {
    readonly task: string;
    readonly site: SiteId;
    readonly subject: string;
    readonly version: number;
    /** Of `cross`: whose adapter it is. */
    readonly owner: string;
  }): Promise<readonly string[]> {
    const { task, site, subject, version, owner } = report;
    return (await this.#store.open())
      .filter((each) => each.task === task && each.subject === subject)
      .filter((each) => (each.owner ?? '') === owner)
      .filter(({ items }) => items.some((item) => item.site === site && item.version === version))
      .map(({ request }) => request);
  }

  /** A report is there: nothing more is asked of its site, within the transaction that stores it. */
  async markDone(
    transaction: Queries,
    requests: readonly string[],
    which: { readonly site: SiteId; readonly version: number },
  ): Promise<void> {
    const to = { state: 'done', code: null, reason: null } as const;
    for (const request of requests) await this.#store.settle(transaction, request, which, to);
  }

  /** Close what has become complete, without being waited for. */
  settleSoon(): void {
    this.#background.start('evaluation-requests', () => this.settleDue());
  }

  /** Close every request that is complete or past its deadline; whoever has not reported is lost, by name. */
  async settleDue(): Promise<void> {
    const nowMs = this.#environment.clock.wallTimeMs();
    for (const record of await this.#store.open()) {
      await this.#loseGone(record);
    }
    for (const record of await this.#store.open()) {
      const { status } = await this.#tasks.get(record.task);
      const isOwnerGone = record.owner !== null && this.isGone(record.owner);
      const isDue = record.deadlineAtMs <= nowMs || status === 'cancelled' || isOwnerGone;
      if (!isDue && record.items.some(({ state }) => state === 'asked')) continue;
      const why = isOwnerGone ? 'the site that trained it has left' : 'no report by the deadline';
      await this.#close(record, why);
    }
  }

  /** Wait for no more reports of a request. A repeat of the command changes nothing. */
  async cancel(task: TaskId, request: string, reason?: string): Promise<EvaluationRequestView> {
    await this.#tasks.get(task);
    const find = async (): Promise<RequestRecord> => {
      const record = await this.#store.find(task, request);
      if (record !== null) return record;
      throw new InputError(
        'NOT_FOUND',
        `evaluation: expected a request of ${task}, ${request} is not one`,
        { request },
      );
    };
    const record = await find();
    if (record.closedAtMs === null) {
      const why = reason === undefined ? '' : `: ${reason}`;
      await this.#close(record, `the request was cancelled${why}`, 'administrator');
    } else if (!isRepeatedCommand()) {
      throw new StateError(
        'STATE_CONFLICT',
        `evaluation: expected an open request, ${request} is closed; nothing is changed`,
        { request },
      );
    }
    return viewOf(await find());
  }

  /** Who has left meanwhile is not waited for, nor whose agent cannot do it. */
  async #loseGone({ request, task, subject, items }: RequestRecord): Promise<void> {
    const gone = items
      .filter(({ state }) => state === 'asked')
      .map(({ site, version }) => ({ site, version, to: this.#stateNow(site, subject) }))
      .filter(({ to }) => to.state !== 'asked');
    if (gone.length === 0) return;
    await this.#environment.transactions.run(async (transaction) => {
      for (const { site, version, to } of gone) {
        await this.#store.settle(transaction, request, { site, version }, to);
        if (to.state !== 'declined') continue;
        await this.#audit.append(transaction, {
          actor: 'coordinator',
          action: 'evaluation.declined',
          target: `task:${task}`,
          details: { request, site, version, code: to.code, reason: to.reason },
        });
      }
    });
    this.#changes.publish('evaluations');
  }

  /** Close a request; whoever has not reported is lost, for this reason. */
  async #close(
    { request, task, subject, owner }: RequestRecord,
    reason: string,
    actor: 'coordinator' | 'administrator' = 'coordinator',
  ): Promise<void> {
    await this.#environment.transactions.run(async (transaction) => {
      const to = { state: 'lost', code: null, reason } as const;
      const lost = await this.#store.settle(transaction, request, {}, to);
      await this.#store.close(transaction, request);
      await this.#audit.append(transaction, {
        actor,
        action: actor === 'coordinator' ? 'evaluation.closed' : 'evaluation.cancelled',
        target: `task:${task}`,
        details: {
          request,
          subject,
          owner,
          reason,
          lost: lost.map(({ site, version }) => ({ site, version })),
        },
      });
    });
    this.#changes.publish('evaluations');
    this.#connections.announce();
  }

  /** A page of the requests of a task, newest first; the steward of a site sees none about another site's adapter. */
  async list(task: TaskId, own: SiteId | null, query: RequestsQuery) {
    await this.#tasks.get(task);
    const { items, nextCursor } = await this.#store.page(task, own, query);
    return { items: items.map(viewOf), nextCursor };
  }
}
