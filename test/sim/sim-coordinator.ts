/** A coordinator of the simulation: one disk that survives its crashes, the project's reducer, and what follows from it. */
import { isMemberSettled } from '#core/protocol';
import type { RoundEffect, RoundEvent, RoundState, SiteId } from '#core/protocol';
import { commanded, markShares, rerunWithout, type Command } from './commands.ts';
import type { Observer } from './observer.ts';
import { rangesInOrder, versionDigest, type Ports, type Version } from './ports.ts';
import {
  advanced,
  firstRoot,
  openAttempt,
  published,
  reducedAt,
  type Change,
  type Deciding,
  type Root,
  type StoredAttempt,
} from './root.ts';
import type { Scenario } from './scenario.ts';
import { answerTo, news, refusal, type SiteAnswer, type SiteRequest } from './site-requests.ts';
import { Process, type World } from './world.ts';

const attemptName = ({ round, attempt }: { round: number; attempt: number }): string =>
  `round ${round}.${attempt}`;
const againMs = 1000;

/** The coordinator. */
export class SimCoordinator extends Process {
  root: Root;
  readonly #scenario: Scenario;
  readonly #ports: Ports;
  readonly #observer: Observer;
  readonly #hint: () => void;
  #oldRoot: Root;
  #wentDownAtMs = 0;
  #isRolledBack = false;

  constructor(options: {
    readonly world: World;
    readonly scenario: Scenario;
    readonly ports: Ports;
    readonly observer: Observer;
    /** Tells the sites that there is something new. */
    readonly hint: () => void;
  }) {
    super(options.world, 'coordinator');
    this.#scenario = options.scenario;
    this.#ports = options.ports;
    this.#observer = options.observer;
    this.#hint = options.hint;
    this.root = firstRoot(options.scenario);
    this.#oldRoot = this.root;
  }

  /** Whether the task has all its versions, or has failed. */
  get isFinished(): boolean {
    return this.root.status === 'failed' || this.root.status === 'finished';
  }

  get #deciding(): Deciding {
    return { scenario: this.#scenario, ports: this.#ports, nowMs: this.world.nowMs };
  }

  /** Start, or start again: what is on the disk says what is to do. */
  start(): void {
    this.isUp = true;
    const open = openAttempt(this.root);
    if (open !== null)
      for (const effect of this.#ports.restart(this.#moveDeadline(open))) this.#follow(effect);
    this.#advance();
    this.#withdrawShutOut();
    this.#markShares();
  }

  #crash(point: string): void {
    this.world.note(`coordinator: crashes ${point}`);
    this.end();
    this.#wentDownAtMs = this.world.nowMs;
    if (this.#scenario.hasRollback && !this.#isRolledBack && this.root.versions.length > 1) {
      this.#isRolledBack = true;
      this.#observer.rolledBack();
      this.root = this.#oldRoot;
    }
    this.world.after(this.world.between(100, 30_000), 'coordinator: starts again', () => {
      this.#observer.wasDown(this.#wentDownAtMs, this.world.nowMs);
      this.start();
    });
  }

  /** Draw whether the coordinator crashes here. */
  #crashesAt(point: string): boolean {
    const { nowMs } = this.world;
    if (nowMs >= this.#scenario.healedAtMs) return false;
    if (!this.world.isChance(this.#scenario.coordinatorCrashRate)) return false;
    this.#crash(point);
    return true;
  }

  #moveDeadline(current: StoredAttempt): RoundState {
    const { state } = current;
    if (state.deadlineAtMs === null) return state;
    const added = this.#ports.addedToDeadline(this.world.nowMs - this.#wentDownAtMs);
    const moved = { ...current, state: { ...state, deadlineAtMs: state.deadlineAtMs + added } };
    this.root = { ...this.root, attempts: [...this.root.attempts.slice(0, -1), moved] };
    return moved.state;
  }

  /**
   * Write, then answer, then act: a crash may come before the write, or between it and all that follows.
   *
   * @param answer - told whether it is written, where the process lives to tell it
   * @returns whether the write has taken place and the process lives
   */
  #write(what: string, change: Change, answer: (isWritten: boolean) => void): boolean {
    if (!this.#ports.answersAfterWrite) answer(true);
    if (this.#crashesAt(`before ${what} is written`)) return false;
    const isDiskBad = this.world.nowMs < this.#scenario.healedAtMs;
    if (isDiskBad && this.world.isChance(this.#scenario.diskErrorRate)) {
      this.world.note(`coordinator: the disk fails at ${what}`);
      if (this.#ports.answersAfterWrite) answer(false);
      return false;
    }
    this.#observer.written(this.root, change.root);
    if (this.world.isChance(0.02)) this.#oldRoot = this.root;
    this.root = change.root;
    if (this.#crashesAt(`after ${what} is written`)) return false;
    if (this.#ports.answersAfterWrite) answer(true);
    for (const effect of change.effects) this.#follow(effect);
    return true;
  }

  /** A write of the coordinator's own: what fails is tried again a little later, in this life of the process. */
  #writeAtLast(what: string, decide: () => Change | null): void {
    const change = decide();
    if (change === null || change.root === this.root || !this.isUp) return;
    const again = this.alive(() => {
      this.#writeAtLast(what, decide);
    });
    if (!this.#write(what, change, () => undefined)) this.world.after(againMs, '', again);
  }

  /** Answer a site. */
  handle(site: SiteId, request: SiteRequest, answer: (value: SiteAnswer) => void): void {
    if (!this.isUp) return; // nobody is there to refuse it
    const out = this.root.out.get(site);
    if (out !== undefined) {
      answer(refusal(`SITE_${out.toUpperCase()}`, out === 'suspended'));
      return;
    }
    if (request.type === 'pull') {
      answer(news(this.root, site, request.since));
      return;
    }
    const outcome = answerTo(this.root, site, request, this.#deciding);
    if (request.type === 'commit')
      this.#observer.committing(this.root.uploads.get(request.digest), outcome.answer.ok);
    if (outcome.root === this.root) {
      answer(outcome.answer);
      return;
    }
    this.#write(`${request.type} of ${site}`, outcome, (isWritten) => {
      answer(isWritten ? outcome.answer : refusal('DISK_FULL', true));
    });
  }

  /** Do what an administrator says, once for each key; the answer is whether it was granted. */
  command(key: string, command: Command, answer: (isGranted: boolean) => void): void {
    if (!this.isUp) return;
    if (this.root.commands.has(key) && this.#ports.remembersCommands) {
      this.#afterCommand();
      answer(true);
      return;
    }
    const outcome = commanded(this.root, command, this.#deciding);
    if (outcome.refusal !== null) {
      answer(false);
      return;
    }
    const root = { ...outcome.root, commands: new Set(this.root.commands).add(key) };
    this.#observer.commanding(key, command);
    const isWritten = this.#write(command.type, { ...outcome, root }, (isDone) => {
      if (isDone) answer(true); // a failure is an answer too, after which the same is asked again
    });
    if (isWritten) this.#afterCommand();
  }

  #afterCommand(): void {
    this.#withdrawShutOut();
    this.#markShares();
    this.#advance();
  }

  /** The version from which a task would go on without a site's share, where it goes on from one with it. */
  rerunWithout(site: SiteId): number | null {
    return rerunWithout(this.root, site, this.#deciding);
  }

  /** Take sites that may not take part out of the open attempt. */
  #withdrawShutOut(): void {
    for (const [site, status] of this.root.out)
      this.#writeAtLast(`the withdrawal of ${site}`, () => {
        const open = openAttempt(this.root);
        const member = open?.state.members.find((each) => each.site === site);
        const isKept =
          member === undefined ||
          (isMemberSettled(member) && member.status !== 'reported') ||
          (member.status === 'reported' && this.#ports.keepsReported(status));
        if (open === null || isKept || this.root.out.get(site) !== status) return null;
        const event = { type: 'withdrawn', site, reason: `the site is ${status}` } as const;
        return reducedAt(this.root, open, event, this.#ports);
      });
  }

  #markShares(): void {
    this.#writeAtLast('marks', () => ({
      root: markShares(this.root, this.#deciding),
      effects: [],
    }));
  }

  #advance(): void {
    this.#writeAtLast('an opening', () => advanced(this.root, this.#deciding));
  }

  #follow(effect: RoundEffect): void {
    const current = this.root.attempts.at(-1);
    if (current === undefined || !this.isUp) return;
    switch (effect.type) {
      case 'announce':
        this.#hint();
        return;
      case 'schedule-deadline':
        this.after(Math.max(0, effect.deadlineAtMs - this.world.nowMs), '', () => {
          this.#fire(current, { type: 'deadline-passed' });
        });
        return;
      case 'aggregate':
        this.after(this.world.between(1, 3000), 'aggregates', () => {
          this.#aggregate(current);
        });
        return;
      case 'settle':
        this.#hint();
        this.after(1, '', () => {
          this.#advance();
        });
    }
  }

  /** An event of the coordinator's own; none where it has happened already. */
  #fire(at: StoredAttempt, event: RoundEvent, change?: (root: Root) => Root): void {
    this.#writeAtLast(`${event.type} of ${attemptName(at)}`, () => {
      const outcome = reducedAt(this.root, at, event, this.#ports);
      if (outcome.refusal !== null || outcome.root === this.root) return null;
      return change === undefined ? outcome : { ...outcome, root: change(outcome.root) };
    });
  }

  #aggregate({ round, attempt }: StoredAttempt): void {
    const stored = openAttempt(this.root);
    if (stored?.round !== round || stored.attempt !== attempt) return;
    const [base, previous] = [this.root.versions[stored.base], this.root.versions.at(-1)];
    if (stored.state.phase !== 'aggregating' || base === undefined || previous === undefined)
      return;
    const version = this.#versionOf(stored, base, previous);
    if (this.#ports.publishesInOneWrite) {
      this.#fire(stored, { type: 'aggregated' }, (root) => published(root, version));
      return;
    }
    const first = { root: published(this.root, version), effects: [] };
    if (this.#write('a version', first, () => undefined))
      this.#fire(stored, { type: 'aggregated' });
  }

  #versionOf(stored: StoredAttempt, base: Version, previous: Version): Version {
    const { round, attempt, state } = stored;
    const ofAttempt = [...this.root.uploads.values()].filter((upload) =>
      this.#ports.isOfAttempt(upload, round, attempt),
    );
    const chosen = this.#ports.selectUploads(state, ofAttempt);
    const updates = chosen.map((upload) => ({
      site: upload.site,
      weight: this.#ports.weightOf(upload),
      delta: Float32Array.from(
        rangesInOrder(upload).flatMap((range) => range.split(' ').map(Number)),
      ),
    }));
    const body = {
      version: round,
      base: base.version,
      values: this.#ports.aggregate(base.values, updates),
      previousDigest: previous.digest,
      members: chosen.map(({ site, samples }) => ({ site, samples })),
    };
    return { ...body, digest: versionDigest(body) };
  }
}
