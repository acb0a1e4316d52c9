/** A site's signed answer to RoundOpen, and what it takes back later. */
import { Injectable } from '@nestjs/common';
import { signDomains, type SignedEnvelope } from '#core/crypto';
import { InputError, ProtocolError, StateError } from '#core/errors';
import {
  decisionSchema,
  type Decision,
  type MemberStatus,
  type RoundEvent,
  type SiteId,
  type TaskDefinition,
} from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { releaseHindrance } from './agent-release.ts';
import { findMember, memberStatus } from './member-status.ts';
import type { RoundRecord } from './round-store.ts';
import { RoundTransitionsService } from './round-transitions.service.ts';
import { SignedBySite } from './signed-by-site.ts';

const reasonLengthMax = 500;

/** A rule of the task that keeps a site out: what is recorded of it, and what the site is told. */
interface Hindrance {
  readonly event: 'declined' | 'held-back';
  readonly code: 'SAMPLES_TOO_FEW' | 'AGENT_VERSION_TOO_OLD';
  readonly reason: string;
  readonly todo: string;
}

/** A site's signed answers. */
@Injectable()
export class DecisionsService {
  readonly #signed: SignedBySite;
  readonly #transitions: RoundTransitionsService;
  readonly #tasks: TaskStore;
  readonly #connections: ConnectionsService;
  readonly #roster: RosterService;
  readonly #audit: AuditService;

  constructor(
    signed: SignedBySite,
    transitions: RoundTransitionsService,
    tasks: TaskStore,
    connections: ConnectionsService,
    roster: RosterService,
    audit: AuditService,
  ) {
    this.#signed = signed;
    this.#transitions = transitions;
    this.#tasks = tasks;
    this.#connections = connections;
    this.#roster = roster;
    this.#audit = audit;
  }

  /**
   * Record the decision that a command carries and return where the member stands then.
   *
   * @throws StateError SAMPLES_TOO_FEW, AGENT_VERSION_TOO_OLD once the record says so too
   */
  async decide(
    site: SiteId,
    command: Decision['decision'],
    envelope: SignedEnvelope,
  ): Promise<MemberStatus> {
    const decision = this.#signed.open(site, signDomains.decision, envelope, decisionSchema);
    if (decision.decision !== command) {
      throw new ProtocolError(
        'MESSAGE_INVALID',
        `round:${command}: expected the signed decision ${command}, got ${decision.decision}; send it with its own command`,
        {},
        { sites: [site] },
      );
    }
    const round = await this.#signed.roundOf(decision);
    if (decision.decision === 'accept') return this.#accept(site, round, decision.samples);
    const type = decision.decision === 'decline' ? 'declined' : 'withdrawn';
    const reason = `${decision.code}: ${decision.reason}`.slice(0, reasonLengthMax);
    return this.#record(site, round, { type, site, reason });
  }

  async #accept(site: SiteId, round: RoundRecord, samples: number): Promise<MemberStatus> {
    const { definition } = await this.#tasks.get(round.task);
    this.#checkBackbone(site, definition);
    const hindrance = this.#hindrance(site, round, definition, samples);
    if (hindrance === null) return this.#record(site, round, { type: 'accepted', site, samples });
    const { event: type, code, reason, todo } = hindrance;
    await this.#record(site, round, { type, site, reason: `${code}: ${reason}` });
    throw new StateError(code, `round:accept: ${reason}; ${todo}`, { task: round.task });
  }

  async #record(site: SiteId, round: RoundRecord, event: RoundEvent): Promise<MemberStatus> {
    const outcome = await this.#transitions.apply(round, event, (transaction) =>
      this.#audit.append(transaction, {
        actor: `site:${site}`,
        action: `round.${event.type}`,
        target: `task:${round.task}`,
        details: { round: round.round, attempt: round.attempt },
      }),
    );
    return memberStatus(outcome.round, site);
  }

  /** What the task's rules say against a site that would accept; null where nothing does, or where it accepted before. */
  #hindrance(
    site: SiteId,
    round: RoundRecord,
    definition: TaskDefinition,
    samples: number,
  ): Hindrance | null {
    const status = findMember(round, site)?.status;
    if (status !== 'invited' && status !== 'declined') return null;
    const { samplesMinimum } = definition.rules;
    if (samplesMinimum !== undefined && samples < samplesMinimum) {
      return {
        event: 'declined',
        code: 'SAMPLES_TOO_FEW',
        reason: `expected ${samplesMinimum} training images or more, the site has ${samples}`,
        todo: 'it may take part in a later round with more',
      };
    }
    const reason = releaseHindrance(this.#roster.find(site)?.agentVersion ?? null, definition);
    if (reason === null) return null;
    return {
      event: 'held-back',
      code: 'AGENT_VERSION_TOO_OLD',
      reason,
      todo: 'update the agent: while the round is open it can still take part',
    };
  }

  /** A site that said which backbones it has, and not this one, cannot train this round. */
  #checkBackbone(site: SiteId, definition: TaskDefinition): void {
    const known = this.#connections.backbonesOf(site);
    const { fingerprint, name } = definition.backbone;
    if (known === null || known.includes(fingerprint)) return;
    throw new InputError(
      'BACKBONE_MISMATCH',
      `round:accept: expected a site with backbone ${name} (${fingerprint.slice(0, 16)}), its hello names ${known.length} others; configure that backbone or decline`,
      { expected: fingerprint },
    );
  }
}
