/**
 * What the coordinator asks to be evaluated beside the rounds: pulled, judged by this site's policy, declined with a reason or lined up
 * behind the rounds. Nothing of it is remembered here: what is not done is asked again.
 */
import { envelopeDigest, signDomains, signPayload, verifyPayload } from '#core/crypto';
import { MeloError } from '#core/errors';
import {
  decodePayload,
  encodePayload,
  evaluationDeclineSchema,
  evaluationRequestSchema,
  protocolVersion,
  type AskedEvaluation,
  type EvaluationRequest,
  type RequestSubject,
} from '#core/protocol';
import type { PolicyConfig } from '../config/agent-config.ts';
import { declineForError, digestOf, type Decline } from '../policy/policy.ts';
import { isLinkError } from '../transport/connection.ts';
import { RefusedError } from '../transport/refused-error.ts';
import type { AgentContext } from './context.ts';
import { failureOf, reportName } from './round-worker.ts';
import { shareBaseline } from './share-baseline.ts';
import {
  evaluateCross,
  evaluateVersion,
  trainBaseline,
  type StoredVersion,
} from './version-evaluation.ts';
import type { WorkQueue } from './work-queue.ts';

/** What a coordinator of the first release answers. */
const unknownCommandCodes: ReadonlySet<string> = new Set(['MESSAGE_INVALID', 'NOT_FOUND']);

/** What this site does not do by its policy, as the end of a sentence; null where it does. */
function refusedByPolicy(subject: RequestSubject, policy: PolicyConfig): string | null {
  if (subject === 'global' || subject === 'cross')
    return policy.evaluations ? null : 'evaluates nothing beside the rounds';
  if (!policy.baseline) return 'trains no baseline';
  if (subject === 'baseline' || policy.shareBaseline) return null;
  return 'does not let out the adapter that it trained alone';
}

/** One version that is asked for, its signature verified. */
interface Asked extends Pick<AskedEvaluation, 'adapter'> {
  readonly request: EvaluationRequest;
  readonly requestDigest: string;
  readonly about: StoredVersion;
  /** In the queue. */
  readonly key: string;
}

/** Evaluations that are asked for. */
export class EvaluationDesk {
  readonly #context: AgentContext;
  readonly #queue: WorkQueue;
  /** Called later: pull again. */
  readonly #again: (delayMs: number) => void;
  /** Reported in this process: asked again only until the outbox has delivered it. */
  readonly #done = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #notBeforeMs = new Map<string, number>();

  constructor(context: AgentContext, queue: WorkQueue, again: (delayMs: number) => void) {
    this.#context = context;
    this.#queue = queue;
    this.#again = again;
  }

  /** Ask what is wanted; also tells what this coordinator understands. */
  async pull(): Promise<readonly Asked[]> {
    const { commands, abilities } = this.#context;
    try {
      const { asked } = await commands.command('evaluation:get', {});
      abilities.takesFullReports = true;
      return asked.flatMap((each) => this.#verify(each) ?? []);
    } catch (error) {
      if (!(error instanceof RefusedError) || !unknownCommandCodes.has(error.code)) throw error;
      abilities.takesFullReports = false;
      return [];
    }
  }

  /** Decline what this site does not do, line up the rest, call off what is asked no more. */
  async arrange(asked: readonly Asked[]): Promise<void> {
    const wanted = new Set<string>();
    for (const each of asked) {
      const because = this.#judge(each);
      if (because !== null) await this.#decline(each, because);
      else if (!(await this.#isReported(each))) wanted.add(each.key);
    }
    this.#queue.keepOnly((key) => !key.startsWith('asked/') || wanted.has(key));
    for (const each of asked) {
      const isTooSoon = (this.#notBeforeMs.get(each.key) ?? 0) > performance.now();
      if (!wanted.has(each.key) || isTooSoon) continue;
      this.#queue.add({
        key: each.key,
        ...(each.request.baseline === null ? {} : { isPatient: true }),
        run: (signal) => this.#run(each, signal),
      });
    }
  }

  #verify({ request: envelope, adapter }: AskedEvaluation): Asked | null {
    const { coordinatorPublicKey, federation, site, logger } = this.#context;
    try {
      const domain = signDomains.evaluationRequest;
      const payload = verifyPayload(domain, envelope, coordinatorPublicKey);
      const request = decodePayload(evaluationRequestSchema, payload, 'evaluation request');
      const { task } = request;
      const found = request.versions.find(({ version }) => version === adapter.version);
      const isOurs = request.federation === federation && request.sites.includes(site);
      if (!isOurs || found === undefined) return null;
      const key = `asked/${task}/${request.request}/${found.version}`;
      const requestDigest = envelopeDigest(domain, payload);
      return { request, requestDigest, adapter, about: { task, ...found }, key };
    } catch (error) {
      if (!(error instanceof MeloError)) throw error;
      logger.error({ code: error.code }, error.message);
      return null;
    }
  }

  /** Why this site does not do it, in words that may leave it; null where it does. */
  #judge({ request, about }: Asked): Decline | null {
    const { policy, config, withdrawals, journal, audit } = this.#context;
    const { task, version, adapterDigest } = about;
    const withdrawal = withdrawals.of(task);
    if (withdrawal !== undefined) return { code: 'TASK_NOT_ALLOWED', reason: withdrawal.reason };
    if (!policy.tasks.has(task)) {
      const reason = `the policy of this site does not list the task ${task}`;
      return { code: 'TASK_NOT_ALLOWED', reason };
    }
    const refused = refusedByPolicy(request.subject, config.policy);
    if (refused !== null)
      return { code: 'TASK_NOT_ALLOWED', reason: `by its policy this site ${refused}` };
    const state = journal.get(task);
    const digest = request.subject === 'cross' ? null : digestOf(state.known, version);
    const isForked = audit.fork !== null || state.fork !== null;
    if (!isForked && (digest === null || digest === adapterDigest)) return null;
    const reason = `this site does not know version ${version}, or another file under that number`;
    return { code: 'VERSION_FORK', reason };
  }

  async #isReported({ key, about, request }: Asked): Promise<boolean> {
    if (this.#done.has(key)) return true;
    const { outbox, pump } = this.#context;
    const { subject } = request;
    if (subject === 'baseline-upload') return false; // it is no report
    const isWaiting = await outbox.hasEvaluation(
      about.task,
      reportName({ ...about, subject, round: null }),
    );
    if (isWaiting) pump.kick();
    return isWaiting;
  }

  async #run(asked: Asked, signal: AbortSignal): Promise<void> {
    const { key } = asked;
    try {
      await this.#do(asked, signal);
      this.#done.add(key);
      this.#again(0); // more may be asked
    } catch (error) {
      if (signal.aborted) return;
      if (isLinkError(error)) this.#again(0);
      else await this.#afterFailure(asked, error);
    } finally {
      this.#context.heartbeat.setIdle();
    }
  }

  async #do({ request, requestDigest, adapter, about }: Asked, signal: AbortSignal): Promise<void> {
    const context = this.#context;
    const { subject, baseline } = request;
    if (subject === 'cross') {
      await evaluateCross(context, about, adapter, signal);
      return;
    }
    const { task, adapterDigest: digest } = about;
    await context.versions.ensure({ task, reference: adapter, digest }, { signal });
    if (baseline === null) await evaluateVersion(context, about, request.request, signal);
    else if (subject === 'baseline') await trainBaseline(context, about, baseline, signal);
    else await shareBaseline(context, about, { ...request, baseline, requestDigest }, signal);
  }

  /** Try again after a long wait, as with rounds; after too many tries say so. */
  async #afterFailure(asked: Asked, error: unknown): Promise<void> {
    const { key, about } = asked;
    const { logger, config } = this.#context;
    const { longRetryMs, retriesMax } = config.trainer;
    const { code, message } = failureOf(error);
    logger.error({ code, task: about.task, version: about.version }, `evaluation: ${message}`);
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#notBeforeMs.set(key, performance.now() + longRetryMs);
    if (failures > retriesMax) {
      try {
        await this.#decline(asked, declineForError(error));
      } catch (failure) {
        if (!isLinkError(failure)) throw failure; // said at the next failure
      }
    }
    this.#again(longRetryMs);
  }

  async #decline({ request, about }: Asked, { code, reason }: Decline): Promise<void> {
    const { site, federation, keys, commands, emit } = this.#context;
    const { task, version } = about;
    const payload = encodePayload(evaluationDeclineSchema, {
      ...{ type: 'evaluation-decline', protocol: protocolVersion, federation, task, site },
      ...{ request: request.request, version, code, reason },
    });
    const domain = signDomains.evaluationDecline;
    const decline = signPayload(domain, payload, keys.signing.secretKey);
    await commands.command('evaluation:decline', { decline });
    emit({ event: 'evaluation-declined', task, version, code, reason });
  }
}
