/** Watches what is above the single round: who may take part, where rounds start, what commands come to. */
import { isMemberSettled, isRoundSettled, missingQuorum, type SiteId } from '#core/protocol';
import type { Command } from './commands.ts';
import type { Invariant } from './observer.ts';
import {
  latestVersion,
  markOf,
  openAttempt,
  shareOf,
  type Root,
  type StoredAttempt,
} from './root.ts';
import { lostRoundsMax, type Scenario } from './scenario.ts';
import type { AttemptKey } from './site-requests.ts';
import type { World } from './world.ts';

/** Time in which a coordinator that serves takes a site that is shut out from the open round, failing disks and all. */
const withdrawalMs = 20_000;

/** What it tells. */
interface WatchListener {
  broken(invariant: Invariant, what: string): void;
  excuse(site: SiteId, at: AttemptKey): void;
}

/** Watches one task. */
export class TaskWatch {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #listener: WatchListener;
  readonly #commands = new Map<string, Command>();
  readonly #done = new Set<string>();
  /** When a site was shut out last, moved by the time the coordinator was down since. */
  readonly #shutOutAtMs = new Map<SiteId, number>();
  readonly #lostRounds = new Map<SiteId, number>();
  readonly #givenUp = new Set<string>();
  /** The base that was asked for and not used yet, and how many versions there shall be. */
  #wantedBase: number | null = null;
  #wantedVersions: number;
  #key: string | null = null;

  constructor(world: World, scenario: Scenario, listener: WatchListener) {
    this.#world = world;
    this.#scenario = scenario;
    this.#listener = listener;
    this.#wantedVersions = scenario.rounds;
  }

  wasDown(durationMs: number): void {
    for (const [site, atMs] of this.#shutOutAtMs) this.#shutOutAtMs.set(site, atMs + durationMs);
  }

  /** Whether an administrator ended an attempt. */
  wasGivenUp({ round, attempt }: AttemptKey): boolean {
    return this.#givenUp.has(`${round}.${attempt}`);
  }

  /** Whether the rules of the task may have kept a site out of an attempt that closed then. */
  isHindered(site: SiteId, closedAtMs: number): boolean {
    if (this.hasTooFewSamples(site)) return true;
    const { agentMinimum, updatedAtMs } = this.#scenario;
    // An agent that has just been updated still has to ask and to train.
    return agentMinimum > 1 && (updatedAtMs.get(site) ?? 0) > closedAtMs - 110_000;
  }

  /** Whether a site has fewer images than the task asks for. */
  hasTooFewSamples(site: SiteId): boolean {
    return (this.#scenario.samples.get(site) ?? 0) < this.#scenario.samplesMinimum;
  }

  /** A command is about to be written: the next write is its own, if its key is in it. */
  commanding(key: string, command: Command): void {
    this.#commands.set(key, command);
    this.#key = key;
  }

  written(before: Root, after: Root): void {
    const key = this.#key;
    this.#key = null;
    const command = key === null ? undefined : this.#commands.get(key);
    if (key !== null && command !== undefined && after.commands.has(key))
      this.#commandDone(key, command, before, after);
    this.#checkOpening(before, after);
    for (const [at, stored] of after.attempts.entries())
      if (stored !== before.attempts[at]) this.#checkAttempt(after, stored, before.attempts[at]);
    this.#checkOut(before, after, command);
    if (after.versions.length > before.versions.length) this.#checkVersion(after);
  }

  #commandDone(key: string, command: Command, before: Root, after: Root): void {
    if (this.#done.has(key)) this.#listener.broken('command-once', `${command.type}, ${key}`);
    this.#done.add(key);
    const open = openAttempt(before);
    if (open !== null && openAttempt(after) === null)
      this.#givenUp.add(`${open.round}.${open.attempt}`);
    if (command.type !== 'rerun' && command.type !== 'rollback') return;
    this.#wantedBase = command.from;
    this.#wantedVersions = latestVersion(before) + command.rounds;
    const isOpenElsewhere = openAttempt(after)?.base ?? command.from;
    if (isOpenElsewhere !== command.from)
      this.#listener.broken('base-as-asked', `the open attempt starts from ${isOpenElsewhere}`);
    if (command.type === 'rollback' && after.promoted !== command.from)
      this.#listener.broken('base-as-asked', `version ${command.from} is not promoted`);
  }

  #checkOpening(before: Root, after: Root): void {
    if (after.attempts.length === before.attempts.length) return;
    const opened = after.attempts.at(-1);
    if (opened === undefined) return;
    const name = `round ${opened.round}.${opened.attempt}`;
    if (before.status !== 'running')
      this.#listener.broken('paused-opens-none', `${name} while the task is ${before.status}`);
    if (opened.base !== (this.#wantedBase ?? latestVersion(before)))
      this.#listener.broken('base-as-asked', `${name} starts from ${opened.base}`);
    for (const { site, status } of opened.state.members)
      if (after.out.has(site) && status !== 'withdrawn' && !isRoundSettled(opened.state))
        this.#listener.broken('shut-out', `${site} is ${status} in ${name} as it opens`);
  }

  #checkAttempt(root: Root, stored: StoredAttempt, was: StoredAttempt | undefined): void {
    const { state } = stored;
    const name = `round ${stored.round}.${stored.attempt}`;
    for (const { site, status } of state.members)
      if (status === 'withdrawn' && root.out.has(site)) this.#listener.excuse(site, stored);
    const isOpen = state.phase === 'inviting' || state.phase === 'training';
    const isWaitDue = this.#scenario.wait === 'quorum' && missingQuorum(state) === null;
    if (isOpen && isWaitDue && !state.members.every(isMemberSettled))
      this.#listener.broken('waits-as-ruled', `${name} waits although its quorum is met`);
    if (state.isClosedByQuorum === true && this.#scenario.wait === 'all')
      this.#listener.broken('waits-as-ruled', `${name} did not wait`);
    if (state.phase === 'aggregating' && was?.state.phase !== 'aggregating')
      this.#checkSummed(root, stored);
    if (isRoundSettled(state) && (was === undefined || !isRoundSettled(was.state)))
      this.#countLostRounds(root, stored);
  }

  /** What is summed has no share of who was shut out some time ago, nor of who does not fit the rules. */
  #checkSummed(root: Root, { round, attempt, state }: StoredAttempt): void {
    for (const { site, status, samples } of state.members) {
      if (status !== 'reported') continue;
      const out = root.out.get(site);
      const forMs = this.#world.nowMs - (this.#shutOutAtMs.get(site) ?? Infinity);
      if (out !== undefined && out !== 'suspended' && forMs > withdrawalMs)
        this.#listener.broken('shut-out', `${site} is summed in round ${round}.${attempt}`);
      const { agentMinimum, samplesMinimum, updatedAtMs } = this.#scenario;
      const isTooOld = agentMinimum > 1 && (updatedAtMs.get(site) ?? 0) > this.#world.nowMs;
      if ((samples ?? 0) < samplesMinimum || isTooOld)
        this.#listener.broken('rules-held', `${site} is summed in round ${round}.${attempt}`);
    }
  }

  #countLostRounds(root: Root, { state }: StoredAttempt): void {
    for (const { site, status } of state.members) {
      if (status === 'reported') this.#lostRounds.set(site, 0);
      if (status !== 'lost' || state.isClosedByQuorum === true) continue;
      const lost = (this.#lostRounds.get(site) ?? 0) + 1;
      this.#lostRounds.set(site, lost);
      if (lost >= lostRoundsMax && !root.out.has(site))
        this.#listener.broken('suspended-as-ruled', `${site} lost ${lost} rounds`);
    }
  }

  #checkOut(before: Root, after: Root, command: Command | undefined): void {
    for (const [site, status] of after.out) {
      if (before.out.get(site) === status) continue;
      this.#shutOutAtMs.set(site, this.#world.nowMs);
      const isAsked = command?.type === 'shut-out' && command.site === site;
      const isDue = (this.#lostRounds.get(site) ?? 0) >= lostRoundsMax && status === 'suspended';
      if (!isAsked && !isDue)
        this.#listener.broken('suspended-as-ruled', `${site} is ${status} for nothing`);
    }
    for (const site of before.out.keys()) if (!after.out.has(site)) this.#lostRounds.set(site, 0);
  }

  #checkVersion(after: Root): void {
    const version = after.versions.at(-1);
    if (version === undefined) return;
    if (version.base !== (this.#wantedBase ?? version.version - 1))
      this.#listener.broken('base-as-asked', `version ${version.version} is of ${version.base}`);
    this.#wantedBase = null;
  }

  /** The run is over. */
  conclude(root: Root): void {
    if (root.status === 'finished' && latestVersion(root) !== this.#wantedVersions)
      this.#listener.broken(
        'rounds-as-asked',
        `${latestVersion(root)} versions, not ${this.#wantedVersions}`,
      );
    for (const [site, status] of root.out)
      for (const { version } of status === 'left' ? root.versions : [])
        if (shareOf(root, version).has(site) !== root.marks.has(markOf(version, site)))
          this.#listener.broken('shares-marked', `version ${version} and ${site}`);
  }
}
