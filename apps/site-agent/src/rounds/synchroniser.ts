/** Pulls what the coordinator has for this site: results along the chain, open rounds to decide and to work on. */
import { z } from 'zod';
import { fromUtf8 } from '#core/bytes';
import { envelopeDigest, signDomains, verifyPayload } from '#core/crypto';
import { errorCatalog, MeloError } from '#core/errors';
import {
  activationOfLoss,
  decodePayload,
  roundKeySchema,
  roundOpenSchema,
  type Assignment,
  type MemberStatus,
  type ResultNotice,
  type RoundKey,
  type RoundOpen,
  type TaskId,
} from '#core/protocol';
import { agentVersion } from '../common/agent-version.ts';
import { findDataset } from '../data/dataset.ts';
import { declineForError, judgeRoundOpen, type ApprovedRound } from '../policy/policy.ts';
import { roundName, type AgentContext } from './context.ts';
import { sendDecision, type SiteDecision, type VerifiedAssignment } from './decision-sender.ts';
import { anotherRoundOpen, isOtherRoundOpen, rememberFork, removeForeignWork } from './forks.ts';
import { ChainReplays, followChain, verifyResult, type VerifiedResult } from './result-chain.ts';
import type { AcceptedRound } from './round-worker.ts';
import type { KnownState } from './task-journal.ts';

/** Pulls in one synchronisation, at most: each brings at least one new item. */
const pullsMax = 20_000;

/** A result that is new here, with what is needed to fetch its version. */
export interface NewVersion extends VerifiedResult {
  readonly notice: ResultNotice;
}

/** What a synchronisation found. */
export interface SyncOutcome {
  /** Rounds to work on, in the order they were announced. */
  readonly accepted: readonly AcceptedRound[];
  /** The newest version of each task that got a new one. */
  readonly newVersions: readonly NewVersion[];
}

/** What leaves the site says nothing of what it remembers. */
const auditDecline: Withdrawn = {
  code: 'AUDIT_FORK',
  reason: `${errorCatalog.AUDIT_FORK.publicMessage} The log of the site's agent says more.`,
};

const workStatuses: ReadonlySet<MemberStatus> = new Set(['accepted', 'training', 'uploading']);
/** What a site can still take back. */
const takenBackStatuses: ReadonlySet<MemberStatus> = new Set([...workStatuses, 'reported']);

/** Why a site takes no part, in words that may leave it. */
type Withdrawn = Pick<SiteDecision & { decision: 'withdraw' }, 'code' | 'reason'>;

/** Pulls and decides. */
export class Synchroniser {
  readonly #context: AgentContext;
  readonly #replays = new ChainReplays();
  /** Rounds that this site was told it may not take part in, or not yet: said once. */
  readonly #told = new Set<string>();

  constructor(context: AgentContext) {
    this.#context = context;
  }

  /** Pull everything, follow the chains, decide on what is open. */
  async synchronise(): Promise<SyncOutcome> {
    const askedMs = performance.now();
    const assignments = new Map<string, VerifiedAssignment>();
    const newVersions = new Map<string, NewVersion>();
    for (let pull = 0; pull < pullsMax; pull++) {
      const known = this.#context.journal
        .list()
        .filter((state) => state.known.version > 0)
        .map(({ task, known: state }) => ({
          task,
          version: this.#replays.versionToAsk(task, state),
        }));
      const answer = await this.#context.commands.command('round:get', { known });
      let isNew = false;
      for (const notice of answer.results)
        isNew = (await this.#takeResult(notice, newVersions)) || isNew;
      for (const assignment of answer.assignments) {
        const verified = await this.#verify(assignment);
        if (verified === null) continue;
        isNew ||= !assignments.has(verified.roundOpenDigest);
        assignments.set(verified.roundOpenDigest, verified);
      }
      if (!answer.hasMore || !isNew) break;
    }
    const accepted: AcceptedRound[] = [];
    for (const assignment of assignments.values()) {
      const round = await this.#handle(assignment, askedMs);
      if (round !== null) accepted.push(round);
    }
    return { accepted, newVersions: [...newVersions.values()] };
  }

  /** Take one result; tells whether it was new. A fork is logged and changes nothing here: its rounds are declined. */
  async #takeResult(notice: ResultNotice, found: Map<string, NewVersion>): Promise<boolean> {
    const { journal, logger, coordinatorPublicKey, federation, crashPoints } = this.#context;
    let task: TaskId | null = null;
    try {
      const verified = verifyResult(notice.result, coordinatorPublicKey, federation);
      ({ task } = verified.result);
      const { known } = journal.get(task);
      if (this.#replays.isDue(task, known)) {
        const { isNew, whole } = this.#replays.take(known, verified);
        if (whole !== null) await journal.update(task, { known: whole });
        return isNew;
      }
      const next = followChain(known, verified);
      if (next === null) return false;
      crashPoints.reach('agent.result-verified');
      await journal.update(task, { known: next });
      crashPoints.reach('agent.result-journalled');
      found.set(task, { ...verified, notice });
      return true;
    } catch (error) {
      if (!(error instanceof MeloError)) throw error;
      logger.error({ code: error.code }, error.message);
      if (error.code === 'VERSION_FORK' && task !== null) {
        await rememberFork(this.#context, task, error.message);
      }
      return false;
    }
  }

  async #verify(assignment: Assignment): Promise<VerifiedAssignment | null> {
    const { coordinatorPublicKey, logger } = this.#context;
    let payload: Uint8Array | null = null;
    try {
      payload = verifyPayload(signDomains.roundOpen, assignment.open, coordinatorPublicKey);
      const open = decodePayload(roundOpenSchema, payload, 'RoundOpen');
      const { task, round, attempt } = open;
      const roundOpenDigest = envelopeDigest(signDomains.roundOpen, payload);
      return { assignment, open, key: { task, round, attempt }, roundOpenDigest };
    } catch (error) {
      if (!(error instanceof MeloError)) throw error;
      logger.error({ code: error.code }, error.message);
      if (payload !== null) await this.#declineUnread(assignment, payload, error);
      return null;
    }
  }

  /** A signed round with something that this release does not know is declined by the field's name, once. */
  async #declineUnread(
    assignment: Assignment,
    payload: Uint8Array,
    { code, message }: MeloError,
  ): Promise<void> {
    const key = roundKeyOf(payload);
    const roundOpenDigest = envelopeDigest(signDomains.roundOpen, payload);
    if (key === null || assignment.status !== 'invited' || this.#told.has(roundOpenDigest)) return;
    this.#told.add(roundOpenDigest);
    const reason = `site agent ${agentVersion}: ${message}`.slice(0, 500);
    await sendDecision(
      this.#context,
      { key, roundOpenDigest },
      { decision: 'decline', code, reason },
    );
    this.#context.emit({ event: 'round-declined', ...key, code, reason });
  }

  async #handle(verified: VerifiedAssignment, askedMs: number): Promise<AcceptedRound | null> {
    const { open, key, assignment, roundOpenDigest } = verified;
    const withdrawal = this.#withdrawalFrom(verified);
    if (withdrawal !== null) {
      await this.#takeBack(verified, withdrawal);
      return null;
    }
    const isOpenToUs = assignment.status === 'invited' || workStatuses.has(assignment.status);
    if (!isOpenToUs) return null;
    if (this.#context.audit.fork !== null) {
      await this.#decline(verified, auditDecline);
      return null;
    }
    const { known, fork } = this.#context.journal.get(open.task);
    const judged = judgeRoundOpen(open, this.#context.policy, known);
    const isOther = isOtherRoundOpen(this.#context.journal, verified);
    const judgement = judged.isApproved && isOther ? anotherRoundOpen : judged;
    if (!judgement.isApproved) {
      await this.#decline(verified, judgement.decline);
      return null;
    }
    if (fork !== null) await this.#context.journal.update(open.task, { fork: null }); // it is as it was
    const { round: approved } = judgement;
    if (assignment.adapter.version !== open.globalVersion) {
      await this.#decline(verified, {
        code: 'MESSAGE_INVALID',
        reason: 'the adapter beside RoundOpen is not the version it starts from',
      });
      return null;
    }
    if (assignment.status === 'invited' && !(await this.#accept(verified, approved))) return null;
    return { approved, key, roundOpenDigest, reference: assignment.adapter, askedMs };
  }

  async #accept(verified: VerifiedAssignment, approved: ApprovedRound): Promise<boolean> {
    const { key, open, roundOpenDigest } = verified;
    const { journal, emit, logger, crashPoints } = this.#context;
    let samples: number;
    try {
      const about = { classes: open.classes, activation: activationOfLoss(open.plan.loss) };
      samples = (await findDataset(approved.task, about)).training.length;
    } catch (error) {
      logger.error(
        { round: roundName(key) },
        error instanceof Error ? error.message : String(error),
      );
      await this.#decline(verified, declineForError(error));
      return false;
    }
    const answer = await sendDecision(this.#context, verified, { decision: 'accept', samples });
    if (answer.status === null) {
      await this.#notAccepted(verified, answer);
      return false;
    }
    if (!workStatuses.has(answer.status)) return false;
    crashPoints.reach('agent.decision-acknowledged');
    await removeForeignWork(this.#context, verified);
    await journal.update(key.task, ({ known }) => ({
      round: { key, roundOpenDigest, phase: 'accepted' },
      ...(open.globalVersion === 0 ? { known: withVersion0(known, open) } : {}),
    }));
    crashPoints.reach('agent.decision-journalled');
    emit({ event: 'round-accepted', ...key, samples });
    return true;
  }

  /** The rules of the task keep this site out: for this attempt, or until it mends what they name. */
  async #notAccepted(
    { key, roundOpenDigest }: VerifiedAssignment,
    { code, message: reason }: { readonly code: string; readonly message: string },
  ): Promise<void> {
    const { journal, emit } = this.#context;
    const isTold = this.#told.has(roundOpenDigest);
    this.#told.add(roundOpenDigest);
    if (code === 'SAMPLES_TOO_FEW') {
      await journal.update(key.task, { round: { key, roundOpenDigest, phase: 'declined' } });
      if (!isTold) emit({ event: 'round-declined', ...key, code, reason });
    }
    if (code === 'AGENT_VERSION_TOO_OLD' && !isTold)
      emit({ event: 'round-held-back', ...key, code, reason });
  }

  /** Why this site takes no part in a round any more, where it does not: a person said so, or its work failed for good. */
  #withdrawalFrom({ key, roundOpenDigest }: VerifiedAssignment): Withdrawn | null {
    const { journal, withdrawals } = this.#context;
    const { round } = journal.get(key.task);
    if (round?.roundOpenDigest === roundOpenDigest && round.because !== undefined)
      return round.because;
    const withdrawal = withdrawals.of(key.task);
    return withdrawal === undefined ? null : { code: 'TASK_WITHDRAWN', reason: withdrawal.reason };
  }

  /** Tell the coordinator once that this site takes no part; what it cannot take back any more stays as it is. */
  async #takeBack(verified: VerifiedAssignment, because: Withdrawn): Promise<void> {
    const { key, roundOpenDigest, assignment } = verified;
    const { journal, emit } = this.#context;
    if (assignment.status === 'invited') {
      await this.#decline(verified, because);
      return;
    }
    const { round } = journal.get(key.task);
    const isRefused = round?.roundOpenDigest === roundOpenDigest && round.phase === 'dropped';
    if (!takenBackStatuses.has(assignment.status) || isRefused) return;
    const answer = await sendDecision(this.#context, verified, {
      decision: 'withdraw',
      ...because,
    });
    const phase = answer.status === null ? 'dropped' : 'withdrawn';
    await journal.update(key.task, { round: { key, roundOpenDigest, phase, because } });
    if (answer.status !== null) emit({ event: 'round-withdrawn', ...key, ...because });
    else {
      const reason = `the withdrawal was not taken, ${answer.code}: ${answer.message}`;
      emit({ event: 'round-dropped', task: key.task, round: key.round, reason });
    }
  }

  async #decline(verified: VerifiedAssignment, { code, reason }: Withdrawn): Promise<void> {
    const { key, roundOpenDigest, assignment } = verified;
    const { journal, emit, logger } = this.#context;
    if (code === 'VERSION_FORK') {
      logger.error({ code, round: roundName(key) }, reason);
      await rememberFork(this.#context, key.task, reason);
    }
    if (assignment.status !== 'invited') {
      logger.warn({ code, round: roundName(key) }, `accepted earlier, taken back: ${reason}`);
      await this.#takeBack(verified, { code, reason });
      return;
    }
    await sendDecision(this.#context, verified, { decision: 'decline', code, reason });
    await journal.update(key.task, { round: { key, roundOpenDigest, phase: 'declined' } });
    emit({ event: 'round-declined', ...key, code, reason });
  }
}

/** Which attempt a RoundOpen of another release is about, as far as that can be read. */
function roundKeyOf(payload: Uint8Array): RoundKey | null {
  try {
    const parsed = unreadOpenSchema.parse(JSON.parse(fromUtf8(payload)));
    return roundKeySchema.parse({
      task: parsed.task,
      round: parsed.round,
      attempt: parsed.attempt,
    });
  } catch {
    return null; // not even that much is as it was: the log has the refusal
  }
}

const unreadOpenSchema = z.looseObject({
  type: z.literal('round-open'),
  ...roundKeySchema.shape,
});

/** Version 0 stays the one that the first accepted round started from. */
function withVersion0(known: KnownState, { globalAdapterDigest }: RoundOpen): KnownState {
  const [first, ...rest] = known.adapterDigests;
  return { ...known, adapterDigests: [first ?? globalAdapterDigest, ...rest] };
}
