/** What a site pulls: its open rounds, and the results that it lacks, oldest first. */
import { Injectable } from '@nestjs/common';
import { InvariantError } from '#core/errors';
import {
  isMemberSettled,
  limits,
  type Assignment,
  type MemberState,
  type ResultNotice,
  type SiteId,
  type SiteRequest,
  type SiteResponse,
} from '#core/protocol';
import { VersionsService } from '../registry/versions.service.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { cannotRead, releaseHindrance } from './agent-release.ts';
import { findMember } from './member-status.ts';
import { RoundStore, type RoundRecord } from './round-store.ts';
import { RoundTransitionsService } from './round-transitions.service.ts';

/** What a site pulls. */
@Injectable()
export class AssignmentsService {
  readonly #store: RoundStore;
  readonly #tasks: TaskStore;
  readonly #versions: VersionsService;
  readonly #roster: RosterService;
  readonly #connections: ConnectionsService;
  readonly #transitions: RoundTransitionsService;

  constructor(
    store: RoundStore,
    tasks: TaskStore,
    versions: VersionsService,
    roster: RosterService,
    connections: ConnectionsService,
    transitions: RoundTransitionsService,
  ) {
    this.#store = store;
    this.#tasks = tasks;
    this.#versions = versions;
    this.#roster = roster;
    this.#connections = connections;
    this.#transitions = transitions;
  }

  /** Answer `round:get`. */
  async pull(site: SiteId, request: SiteRequest<'round:get'>): Promise<SiteResponse<'round:get'>> {
    const { stateVersion } = this.#connections; // before the reading: a change meanwhile is announced again
    const { agreementPublicKey } = this.#roster.activeKeys(site);
    const known = new Map(request.known.map(({ task, version }) => [task, version]));
    const { results, isComplete } = await this.#results(site, known, agreementPublicKey);
    const open = await this.#assignments(site, agreementPublicKey);
    const room = limits.itemsPerMessageMax - results.length;
    return {
      ok: true,
      stateVersion,
      assignments: open.slice(0, room),
      results,
      hasMore: !isComplete || open.length > room,
    };
  }

  async #results(
    site: SiteId,
    known: ReadonlyMap<string, number>,
    agreementPublicKey: Uint8Array,
  ): Promise<{ readonly results: ResultNotice[]; readonly isComplete: boolean }> {
    const results: ResultNotice[] = [];
    for (const task of await this.#tasks.list()) {
      if (!task.definition.members.includes(site)) continue;
      if (cannotRead(this.#agentVersion(site), task.definition)) continue;
      const knownVersion = known.get(task.task) ?? 0;
      if (task.latestVersion <= knownVersion) continue;
      const room = limits.itemsPerMessageMax - results.length;
      const last = Math.min(task.latestVersion, knownVersion + room);
      for (const version of await this.#versions.listBetween(task.task, knownVersion + 1, last)) {
        const { resultPayload: payload, resultSignature: signature } = version;
        if (payload === null || signature === null) {
          throw new InvariantError(`version ${version.version}: expected a signed result`);
        }
        const adapter = this.#versions.referenceFor(version, agreementPublicKey);
        results.push({ result: { payload, signature }, adapter });
      }
      if (task.latestVersion > last) return { results, isComplete: false };
    }
    return { results, isComplete: true };
  }

  async #assignments(site: SiteId, agreementPublicKey: Uint8Array): Promise<Assignment[]> {
    const assignments: Assignment[] = [];
    for (const { round, member } of await this.#openRounds(site)) {
      if (await this.#isHeldBack(site, round, member)) continue;
      const version = await this.#versions.get(round.task, round.baseVersion);
      assignments.push({
        open: { payload: round.openPayload, signature: round.openSignature },
        status: member.status,
        adapter: this.#versions.referenceFor(version, agreementPublicKey),
      });
    }
    return assignments;
  }

  #agentVersion(site: SiteId): string | null {
    return this.#roster.find(site)?.agentVersion ?? null;
  }

  /** An agent that could not read a round is not sent it, and the round's record says why; updated, it may still take part. */
  async #isHeldBack(site: SiteId, round: RoundRecord, member: MemberState): Promise<boolean> {
    const definition = await this.#tasks.definition(round.task);
    const agentVersion = this.#agentVersion(site);
    if (!cannotRead(agentVersion, definition)) return false;
    const reason = `AGENT_VERSION_TOO_OLD: ${releaseHindrance(agentVersion, definition) ?? ''}`;
    if (member.status === 'invited' && member.reason !== reason) {
      await this.#transitions.apply(round, { type: 'held-back', site, reason });
    }
    return true;
  }

  /** Rounds that await a decision first, then those at work, then the rest: a message carries only so many. */
  async #openRounds(site: SiteId) {
    const urgency = (member: MemberState): number => {
      if (member.status === 'invited') return 0;
      return isMemberSettled(member) ? 2 : 1;
    };
    return (await this.#store.unsettled())
      .flatMap((round) => {
        const member = findMember(round, site);
        return member === undefined ? [] : [{ round, member }];
      })
      .sort((a, b) => urgency(a.member) - urgency(b.member))
      .slice(0, limits.itemsPerMessageMax + 1);
  }
}
