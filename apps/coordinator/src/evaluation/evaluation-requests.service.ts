/**
 * Evaluations that are asked for beside the rounds: stored before anybody hears of them, pulled by sites, done, declined or lost at the
 * deadline. A site that is away does them when it is back.
 */
import { Injectable } from '@nestjs/common';
import { resolveTrainedTensors } from '#core/adapter';
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
import { DeadlinesService } from '../rounds/deadlines.service.ts';
import { SignedBySite } from '../rounds/signed-by-site.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore, type TaskRecord } from '../tasks/task-store.ts';
import {
  EvaluationRequestStore,
  type ItemRecord,
  type RequestRecord,
} from './evaluation-request-store.ts';
import type {
  EvaluationRequestBody,
  EvaluationRequestView,
} from './evaluation-requests.contract.ts';

/** How often deadlines are looked at. */
const lookMs = 1000;
/** A baseline may take as long as all rounds together, and longer where the machine has other work. */
const baselineDeadlineMsMax = 365 * 24 * 3_600_000;

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
    const made = isRepeatedCommand() ? (await this.#store.list(task))[0] : undefined;
    if (made !== undefined) return viewOf(made);
    const { members } = record.definition;
    const stranger = body.sites?.find((site) => !members.includes(site));
    if (stranger !== undefined) {
      throw new StateError(
        'NOT_A_MEMBER',
        `evaluation: expected sites of ${task}, ${stranger} is not a member; its members are ${members.join(', ')}`,
        { site: stranger },
      );
    }
    const open = (await this.#store.open()).filter((each) => each.task === task);
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
      this.#insert(transaction, record, {
        subject: 'global',
        versions: versions.map(({ version, adapterDigest }) => ({ version, adapterDigest })),
        baseline: null,
        sites: [...(body.sites ?? members)].sort(),
        deadlineMs: body.deadlineMs,
        reason: body.reason ?? null,
      }),
    );
    this.#connections.announce();
    const stored = (await this.#store.list(task)).find((each) => each.request === request);
    if (stored === undefined) throw new StateError('STATE_CONFLICT', 'evaluation: ask again');
    return viewOf(stored);
  }

  /** Ask every member for its local-only baseline, within the transaction that creates a task. */
  async askBaselines(
    transaction: Queries,
    record: Pick<TaskRecord, 'task' | 'definition'>,
    adapterDigest: string,
  ): Promise<void> {
    const { definition } = record;
    if (definition.localBaseline !== true) return;
    const { rounds, plan, rules, members } = definition;
    await this.#insert(transaction, record, {
      subject: 'baseline',
      versions: [{ version: 0, adapterDigest }],
      baseline: {
        ...{ rounds, plan },
        // All of them: what a site's step keeps private in rounds is trained alone too.
        trainedTensors: [
          ...resolveTrainedTensors(definition.trainedTensors, this.#tasks.shape(definition).layout),
        ],
      },
      sites: [...members].sort(),
      deadlineMs: Math.min(baselineDeadlineMsMax, 2 * rounds * rules.deadlineMs),
      reason: 'the task asks for what each site trains alone',
    });
  }

  async #insert(
    transaction: Queries,
    { task }: Pick<TaskRecord, 'task'>,
    about: Pick<EvaluationRequest, 'subject' | 'versions' | 'baseline' | 'sites'> & {
      readonly deadlineMs: number;
      readonly reason: string | null;
    },
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
      items: versions.flatMap((version) =>
        asked.sites.map((site) => ({ version, site, ...this.#firstState(site) })),
      ),
    });
    await this.#audit.append(transaction, {
      actor: asked.subject === 'baseline' ? 'coordinator' : 'administrator',
      action: 'evaluation.requested',
      target: `task:${task}`,
      details: {
        request,
        subject: asked.subject,
        versions,
        sites: asked.sites,
        deadlineMs,
        reason,
      },
    });
    return request;
  }

  /** Who is gone for good is not waited for. */
  #firstState(site: SiteId): Pick<ItemRecord, 'state' | 'code' | 'reason'> {
    const status = this.#roster.find(site)?.status;
    if (status !== 'revoked' && status !== 'left')
      return { state: 'asked', code: null, reason: null };
    return { state: 'lost', code: null, reason: `the site is ${status}` };
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
      .sort((a, b) => Number(isBaseline(a.request)) - Number(isBaseline(b.request)));
    const asked: AskedEvaluation[] = [];
    for (const { request, version } of waiting.slice(0, limits.itemsPerMessageMax)) {
      const record = await this.#versions.get(request.task, version);
      const { payload, signature } = request;
      asked.push({
        request: { payload, signature },
        adapter: this.#versions.referenceFor(record, agreementPublicKey),
      });
    }
    return { ok: true, asked, hasMore: waiting.length > asked.length };
  }

  /** Take a site's word that it does not evaluate a version; a repeat changes nothing. */
  async decline(site: SiteId, envelope: SignedEnvelope): Promise<void> {
    const domain = signDomains.evaluationDecline;
    const message = this.#signed.open(site, domain, envelope, evaluationDeclineSchema);
    const { request, version, code, reason, task } = message;
    const known = (await this.#store.list(task)).find((each) => each.request === request);
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
  }): Promise<readonly string[]> {
    const { task, site, subject, version } = report;
    return (await this.#store.open())
      .filter((each) => each.task === task && each.subject === subject)
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
      const isDue = record.deadlineAtMs <= nowMs || status === 'cancelled';
      if (!isDue && record.items.some(({ state }) => state === 'asked')) continue;
      await this.#close(record, 'no report by the deadline');
    }
  }

  /** Wait for no more reports of a request. A repeat of the command changes nothing. */
  async cancel(task: TaskId, request: string, reason?: string): Promise<EvaluationRequestView> {
    await this.#tasks.get(task);
    const find = async (): Promise<RequestRecord> => {
      const record = (await this.#store.list(task)).find((each) => each.request === request);
      if (record !== undefined) return record;
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

  /** Who has left meanwhile is not waited for. */
  async #loseGone({ request, items }: RequestRecord): Promise<void> {
    const gone = items.filter(
      ({ site, state }) => state === 'asked' && this.#firstState(site).state === 'lost',
    );
    if (gone.length === 0) return;
    await this.#environment.transactions.run(async (transaction) => {
      for (const { site, version } of gone)
        await this.#store.settle(transaction, request, { site, version }, this.#firstState(site));
    });
  }

  /** Close a request; whoever has not reported is lost, for this reason. */
  async #close(
    { request, task, subject }: RequestRecord,
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
          reason,
          lost: lost.map(({ site, version }) => ({ site, version })),
        },
      });
    });
    this.#changes.publish('evaluations');
    this.#connections.announce();
  }

  /** The requests of a task, newest first. */
  async list(task: TaskId): Promise<EvaluationRequestView[]> {
    await this.#tasks.get(task);
    return (await this.#store.list(task)).map(viewOf);
  }
}

const isBaseline = ({ subject }: RequestRecord): boolean => subject === 'baseline';

/** What became of an item, for people. */
export function describeItem({ state, reason, code }: ItemRecord): string {
  const why = [code, reason].filter((part) => part !== null).join(': ');
  const words = state === 'asked' ? 'asked, no report yet' : state;
  return why === '' ? words : `${words}, ${why}`;
}

function viewOf(record: RequestRecord): EvaluationRequestView {
  const { payload: _, signature: _signature, items, ...request } = record;
  const missing = items.filter(({ state }) => state !== 'done');
  const done = `${items.length - missing.length} of ${items.length} evaluations`;
  const names = missing.map(
    (item) => `${item.site} (version ${item.version}): ${describeItem(item)}`,
  );
  return {
    ...request,
    summary: names.length === 0 ? done : `${done}, without ${names.join('; ')}`,
    items: items.map(({ request: _request, ...item }) => item),
  };
}
