/** A site's signed answer to RoundOpen. */
import { Injectable } from '@nestjs/common';
import { signDomains, type SignedEnvelope } from '#core/crypto';
import { InputError, ProtocolError } from '#core/errors';
import { decisionSchema, type MemberStatus, type RoundEvent, type SiteId } from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { memberStatus } from './member-status.ts';
import type { RoundRecord } from './round-store.ts';
import { RoundTransitionsService } from './round-transitions.service.ts';
import { SignedBySite } from './signed-by-site.ts';

const reasonLengthMax = 500;

/** A site's signed answers. */
@Injectable()
export class DecisionsService {
  readonly #signed: SignedBySite;
  readonly #transitions: RoundTransitionsService;
  readonly #tasks: TaskStore;
  readonly #connections: ConnectionsService;
  readonly #audit: AuditService;

  constructor(
    signed: SignedBySite,
    transitions: RoundTransitionsService,
    tasks: TaskStore,
    connections: ConnectionsService,
    audit: AuditService,
  ) {
    this.#signed = signed;
    this.#transitions = transitions;
    this.#tasks = tasks;
    this.#connections = connections;
    this.#audit = audit;
  }

  /** Record the decision that a command carries and return where the member stands then. */
  async decide(
    site: SiteId,
    command: 'accept' | 'decline',
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
    let event: RoundEvent;
    if (decision.decision === 'accept') {
      await this.#checkBackbone(site, round);
      event = { type: 'accepted', site, samples: decision.samples };
    } else {
      const reason = `${decision.code}: ${decision.reason}`.slice(0, reasonLengthMax);
      event = { type: 'declined', site, reason };
    }
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

  /** A site that said which backbones it has, and not this one, cannot train this round. */
  async #checkBackbone(site: SiteId, round: RoundRecord): Promise<void> {
    const known = this.#connections.backbonesOf(site);
    const { definition } = await this.#tasks.get(round.task);
    const { fingerprint, name } = definition.backbone;
    if (known === null || known.includes(fingerprint)) return;
    throw new InputError(
      'BACKBONE_MISMATCH',
      `round:accept: expected a site with backbone ${name} (${fingerprint.slice(0, 16)}), its hello names ${known.length} others; configure that backbone or decline`,
      { expected: fingerprint },
    );
  }
}
