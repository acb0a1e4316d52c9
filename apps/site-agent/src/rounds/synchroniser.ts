/** Pulls what the coordinator has for this site: results along the chain, open rounds to decide and to work on. */
import { envelopeDigest, signDomains, signPayload, verifyPayload } from '#core/crypto';
import { MeloError } from '#core/errors';
import {
  activationOfLoss,
  decisionSchema,
  decodePayload,
  encodePayload,
  protocolVersion,
  roundOpenSchema,
  type Assignment,
  type MemberStatus,
  type ResultNotice,
  type RoundKey,
  type RoundOpen,
} from '#core/protocol';
import { findDataset } from '../data/dataset.ts';
import {
  declineForError,
  judgeRoundOpen,
  type ApprovedRound,
  type Decline,
} from '../policy/policy.ts';
import { isLinkError } from '../transport/connection.ts';
import { roundName, type AgentContext } from './context.ts';
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

const workStatuses: ReadonlySet<MemberStatus> = new Set(['accepted', 'training', 'uploading']);

interface VerifiedAssignment {
  readonly assignment: Assignment;
  readonly open: RoundOpen;
  readonly key: RoundKey;
  readonly roundOpenDigest: string;
}

/** Pulls and decides. */
export class Synchroniser {
  readonly #context: AgentContext;
  readonly #replays = new ChainReplays();

  constructor(context: AgentContext) {
    this.#context = context;
  }

  /** Pull everything, follow the chains, decide on what is open. */
  async synchronise(): Promise<SyncOutcome> {
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
        const verified = this.#verify(assignment);
        if (verified === null) continue;
        isNew ||= !assignments.has(verified.roundOpenDigest);
        assignments.set(verified.roundOpenDigest, verified);
      }
      if (!answer.hasMore || !isNew) break;
    }
    const accepted: AcceptedRound[] = [];
    for (const assignment of assignments.values()) {
      const round = await this.#handle(assignment);
      if (round !== null) accepted.push(round);
    }
    return { accepted, newVersions: [...newVersions.values()] };
  }

  /** Take one result; tells whether it was new. A fork is logged and changes nothing here: its rounds are declined. */
  async #takeResult(notice: ResultNotice, found: Map<string, NewVersion>): Promise<boolean> {
    const { journal, logger, coordinatorPublicKey, federation, crashPoints } = this.#context;
    try {
      const verified = verifyResult(notice.result, coordinatorPublicKey, federation);
      const { task } = verified.result;
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
      return false;
    }
  }

  #verify(assignment: Assignment): VerifiedAssignment | null {
    const { coordinatorPublicKey, logger } = this.#context;
    try {
      const payload = verifyPayload(signDomains.roundOpen, assignment.open, coordinatorPublicKey);
      const open = decodePayload(roundOpenSchema, payload, 'RoundOpen');
      const { task, round, attempt } = open;
      const roundOpenDigest = envelopeDigest(signDomains.roundOpen, payload);
      return { assignment, open, key: { task, round, attempt }, roundOpenDigest };
    } catch (error) {
      if (!(error instanceof MeloError)) throw error;
      logger.error({ code: error.code }, error.message);
      return null;
    }
  }

  async #handle(verified: VerifiedAssignment): Promise<AcceptedRound | null> {
    const { open, key, assignment, roundOpenDigest } = verified;
    const isOpenToUs = assignment.status === 'invited' || workStatuses.has(assignment.status);
    if (!isOpenToUs) return null;
    const { known } = this.#context.journal.get(open.task);
    const judgement = judgeRoundOpen(open, this.#context.policy, known);
    if (!judgement.isApproved) {
      await this.#decline(verified, judgement.decline);
      return null;
    }
    const { round: approved } = judgement;
    if (assignment.adapter.version !== open.globalVersion) {
      await this.#decline(verified, {
        code: 'MESSAGE_INVALID',
        reason: 'the adapter beside RoundOpen is not the version it starts from',
      });
      return null;
    }
    if (assignment.status === 'invited' && !(await this.#accept(verified, approved))) return null;
    return { approved, key, roundOpenDigest, reference: assignment.adapter };
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
    const status = await this.#send(verified, { decision: 'accept', samples });
    if (status === null || !workStatuses.has(status)) return false;
    crashPoints.reach('agent.decision-acknowledged');
    await journal.update(key.task, ({ known }) => ({
      round: { key, roundOpenDigest, phase: 'accepted' },
      ...(open.globalVersion === 0 ? { known: withVersion0(known, open) } : {}),
    }));
    crashPoints.reach('agent.decision-journalled');
    emit({ event: 'round-accepted', ...key, samples });
    return true;
  }

  async #decline(verified: VerifiedAssignment, { code, reason }: Decline): Promise<void> {
    const { key, roundOpenDigest, assignment } = verified;
    const { journal, emit, logger } = this.#context;
    if (code === 'VERSION_FORK') logger.error({ code, round: roundName(key) }, reason);
    if (assignment.status !== 'invited') {
      logger.warn(
        { code, round: roundName(key) },
        `accepted earlier, not worked on now: ${reason}`,
      );
      return;
    }
    await this.#send(verified, { decision: 'decline', code, reason });
    await journal.update(key.task, { round: { key, roundOpenDigest, phase: 'declined' } });
    emit({ event: 'round-declined', ...key, code, reason });
  }

  /** Sign and send a decision; null where the round does not take it any more. */
  async #send(
    { key, roundOpenDigest }: VerifiedAssignment,
    decision:
      | { readonly decision: 'accept'; readonly samples: number }
      | { readonly decision: 'decline'; readonly code: string; readonly reason: string },
  ): Promise<MemberStatus | null> {
    const { site, federation, keys, commands, logger } = this.#context;
    const payload = encodePayload(decisionSchema, {
      type: 'decision',
      protocol: protocolVersion,
      federation,
      ...key,
      site,
      roundOpenDigest,
      ...decision,
    });
    const envelope = signPayload(signDomains.decision, payload, keys.signing.secretKey);
    const command = decision.decision === 'accept' ? 'round:accept' : 'round:decline';
    this.#context.crashPoints.reach('agent.decision-signed');
    try {
      return (await commands.command(command, { decision: envelope })).status;
    } catch (error) {
      if (isLinkError(error) || !(error instanceof MeloError)) throw error;
      logger.warn({ code: error.code, round: roundName(key) }, error.message);
      if (error.catalogEntry.retryable) throw error;
      return null;
    }
  }
}

/** Version 0 stays the one that the first accepted round started from. */
function withVersion0(known: KnownState, { globalAdapterDigest }: RoundOpen): KnownState {
  const [first, ...rest] = known.adapterDigests;
  return { ...known, adapterDigests: [first ?? globalAdapterDigest, ...rest] };
}
