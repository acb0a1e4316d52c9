/** A coordinator of the simulation: one disk that survives its crashes, the project's reducer, and what follows from it. */
import { isRoundSettled, plannedRound, type MemberState, type RoundEffect } from '#core/protocol';
import type { RoundEvent, RoundState, SiteId } from '#core/protocol';
import type { Observer } from './observer.ts';
import {
  rangesInOrder,
  versionDigest,
  type Ports,
  type StoredUpload,
  type Version,
} from './ports.ts';
import { attemptsMax, type Scenario } from './scenario.ts';
import { Process, type World } from './world.ts';

/** One attempt at a round on the coordinator's disk. */
export interface StoredAttempt {
  readonly round: number;
  readonly attempt: number;
  readonly openedAtMs: number;
  readonly state: RoundState;
  /** The record that is signed when the attempt ends. */
  readonly record: readonly MemberState[] | null;
}

/** What is on the coordinator's disk. */
export interface Root {
  readonly attempts: readonly StoredAttempt[];
  readonly uploads: ReadonlyMap<string, StoredUpload>;
  readonly versions: readonly Version[];
  readonly revoked: ReadonlySet<SiteId>;
  readonly failure: string | null;
}

/** What a site asks. */
export type SiteRequest =
  | { readonly type: 'pull'; readonly since: number }
  | {
      readonly type: 'event';
      readonly round: number;
      readonly attempt: number;
      readonly event: RoundEvent;
    }
  | { readonly type: 'begin'; readonly manifest: Omit<StoredUpload, 'ranges' | 'isCommitted'> }
  | {
      readonly type: 'range';
      readonly digest: string;
      readonly index: number;
      readonly content: string;
    }
  | { readonly type: 'commit'; readonly digest: string };

/** What an attempt offers to a site. */
export interface OpenAttempt {
  readonly round: number;
  readonly attempt: number;
  readonly globalVersion: number;
}

/** What a site is answered. */
export type SiteAnswer =
  | {
      readonly ok: true;
      readonly versions?: readonly Version[];
      readonly open?: OpenAttempt | null;
      readonly acknowledged?: readonly number[];
    }
  | { readonly ok: false; readonly code: string; readonly isRetryable: boolean };

interface Outcome {
  readonly root: Root;
  readonly answer: SiteAnswer;
  readonly effects: readonly RoundEffect[];
}

const refusal = (code: string, isRetryable = false): SiteAnswer => ({
  ok: false,
  code,
  isRetryable,
});
const attemptName = ({ round, attempt }: { round: number; attempt: number }): string =>
  `round ${round}.${attempt}`;

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
    const first = { version: 0, values: new Float32Array(4), previousDigest: '', members: [] };
    const zero: Version = { ...first, digest: versionDigest(first) };
    this.root = {
      attempts: [],
      uploads: new Map(),
      versions: [zero],
      revoked: new Set(),
      failure: null,
    };
    this.#oldRoot = this.root;
  }

  /** The last attempt, whether open or settled. */
  get current(): StoredAttempt | undefined {
    return this.root.attempts.at(-1);
  }

  /** Whether the task has all its versions, or has failed. */
  get isFinished(): boolean {
    return this.root.failure !== null || this.root.versions.length > this.#scenario.rounds;
  }

  /** Start, or start again: what is on the disk says what is to do. */
  start(): void {
    this.isUp = true;
    const current = this.current;
    if (current === undefined || isRoundSettled(current.state)) {
      this.#openNext();
      return;
    }
    this.#moveDeadline(current);
    const { state } = this.current ?? current;
    for (const effect of this.#ports.restart(state)) this.#follow(effect);
    if (state.phase === 'planned') this.#openPlanned();
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

  #moveDeadline(current: StoredAttempt): void {
    const { state } = current;
    if (state.deadlineAtMs === null) return;
    const added = this.#ports.addedToDeadline(this.world.nowMs - this.#wentDownAtMs);
    const moved = { ...current, state: { ...state, deadlineAtMs: state.deadlineAtMs + added } };
    this.root = { ...this.root, attempts: [...this.root.attempts.slice(0, -1), moved] };
  }

  /**
   * Write, then answer, then act: a crash may come before the write, or between it and all that follows.
   *
   * @returns whether the write has taken place and the process lives
   */
  #write(what: string, outcome: Outcome, answer: (value: SiteAnswer) => void): boolean {
    if (!this.#ports.answersAfterWrite) answer(outcome.answer);
    if (this.#crashesAt(`before ${what} is written`)) return false;
    const isDiskBad = this.world.nowMs < this.#scenario.healedAtMs;
    if (isDiskBad && this.world.isChance(this.#scenario.diskErrorRate)) {
      this.world.note(`coordinator: the disk fails at ${what}`);
      if (this.#ports.answersAfterWrite) answer(refusal('DISK_FULL', true));
      return false;
    }
    this.#observer.written(this.root, outcome.root);
    if (this.world.isChance(0.05)) this.#oldRoot = this.root;
    this.root = outcome.root;
    if (this.#crashesAt(`after ${what} is written`)) return false;
    if (this.#ports.answersAfterWrite) answer(outcome.answer);
    for (const effect of outcome.effects) this.#follow(effect);
    return true;
  }

  /** Answer a site. */
  handle(site: SiteId, request: SiteRequest, answer: (value: SiteAnswer) => void): void {
    if (!this.isUp) return; // nobody is there to refuse it
    if (this.root.revoked.has(site)) {
      answer(refusal('SITE_REVOKED'));
      return;
    }
    if (request.type === 'pull') {
      answer(this.#news(site, request.since));
      return;
    }
    const outcome = this.#outcomeOf(site, request);
    if (outcome.root === this.root) answer(outcome.answer);
    else this.#write(`${request.type} of ${site}`, outcome, answer);
  }

  #news(site: SiteId, since: number): SiteAnswer {
    const { current } = this;
    const versions = this.root.versions.filter(({ version }) => version > since);
    const isOpen =
      current !== undefined &&
      (current.state.phase === 'inviting' || current.state.phase === 'training') &&
      current.state.members.some((member) => member.site === site);
    const open = isOpen
      ? { round: current.round, attempt: current.attempt, globalVersion: current.round - 1 }
      : null;
    return { ok: true, versions, open };
  }

  #outcomeOf(site: SiteId, request: Exclude<SiteRequest, { type: 'pull' }>): Outcome {
    switch (request.type) {
      case 'event':
        return this.#reduceAt(request.round, request.attempt, request.event, this.root);
      case 'begin':
        return this.#begin(request.manifest);
      case 'range':
        return this.#range(site, request.digest, request.index, request.content);
      case 'commit':
        return this.#commit(site, request.digest);
    }
  }

  #unchanged(answer: SiteAnswer): Outcome {
    return { root: this.root, answer, effects: [] };
  }

  /** Apply an event to an attempt, on top of what else the same write changes. */
  #reduceAt(round: number, attempt: number, event: RoundEvent, base: Root): Outcome {
    const index = base.attempts.findIndex(
      (each) => each.round === round && each.attempt === attempt,
    );
    const stored = base.attempts[index];
    if (stored === undefined) return this.#unchanged(refusal('NOT_FOUND'));
    const transition = this.#ports.reduce(stored.state, event);
    if (transition.kind === 'refused') return this.#unchanged(refusal(transition.code));
    if (transition.kind === 'unchanged') return { root: base, answer: { ok: true }, effects: [] };
    const { state, effects } = transition;
    const record = isRoundSettled(state) ? this.#ports.recordMembers(state) : stored.record;
    const attempts = base.attempts.with(index, { ...stored, state, record });
    return { root: { ...base, attempts }, answer: { ok: true }, effects };
  }

  #begin(manifest: Omit<StoredUpload, 'ranges' | 'isCommitted'>): Outcome {
    const known = this.root.uploads.get(manifest.digest);
    const upload = known ?? { ...manifest, ranges: new Map(), isCommitted: false };
    const uploads = known === undefined ? this.#withUpload(upload) : this.root.uploads;
    const { round, attempt, site, digest } = manifest;
    const event = { type: 'upload-begun', site, updateDigest: digest } as const;
    const outcome = this.#reduceAt(round, attempt, event, { ...this.root, uploads });
    if (!outcome.answer.ok) return outcome;
    const acknowledged = this.#ports.acknowledgedRanges(upload);
    return { ...outcome, answer: { ok: true, acknowledged } };
  }

  #range(site: SiteId, digest: string, index: number, content: string): Outcome {
    const upload = this.root.uploads.get(digest);
    if (upload?.site !== site) return this.#unchanged(refusal('NOT_FOUND'));
    if (upload.ranges.has(index)) return this.#unchanged({ ok: true });
    const ranges = new Map(upload.ranges).set(index, content);
    const uploads = this.#withUpload({ ...upload, ranges });
    return { root: { ...this.root, uploads }, answer: { ok: true }, effects: [] };
  }

  #commit(site: SiteId, digest: string): Outcome {
    const upload = this.root.uploads.get(digest);
    if (upload?.site !== site) return this.#unchanged(refusal('NOT_FOUND'));
    if (!this.#ports.isWhole(upload)) return this.#unchanged(refusal('UPLOAD_INCOMPLETE', true));
    const uploads = this.#withUpload({ ...upload, isCommitted: true });
    const { round, attempt, samples } = upload;
    const event = { type: 'reported', site, updateDigest: digest, samples } as const;
    const outcome = this.#reduceAt(round, attempt, event, { ...this.root, uploads });
    this.#observer.committing(upload, outcome.answer.ok);
    return outcome;
  }

  #withUpload(upload: StoredUpload): ReadonlyMap<string, StoredUpload> {
    return new Map(this.root.uploads).set(upload.digest, upload);
  }

  #follow(effect: RoundEffect): void {
    const { current } = this;
    if (current === undefined || !this.isUp) return;
    switch (effect.type) {
      case 'announce':
        this.#hint();
        return;
      case 'schedule-deadline':
        this.#scheduleDeadline(current, effect.deadlineAtMs);
        return;
      case 'aggregate':
        this.after(this.world.between(1, 3000), 'aggregates', () => {
          this.#aggregate(current.round, current.attempt);
        });
        return;
      case 'settle':
        this.#hint();
        this.after(1, '', () => {
          this.#openNext();
        });
    }
  }

  #scheduleDeadline({ round, attempt }: StoredAttempt, deadlineAtMs: number): void {
    this.after(Math.max(0, deadlineAtMs - this.world.nowMs), '', () => {
      this.#fire(round, attempt, { type: 'deadline-passed' });
    });
  }

  /** An event of the coordinator's own: what fails is tried again a little later, in this life of the process. */
  #fire(round: number, attempt: number, event: RoundEvent, change?: (root: Root) => Root): void {
    const again = this.alive(() => {
      this.#fire(round, attempt, event, change);
    });
    const outcome = this.#reduceAt(round, attempt, event, change?.(this.root) ?? this.root);
    if (outcome.root === this.root || !outcome.answer.ok) return; // it has happened already
    const what = `${event.type} of ${attemptName({ round, attempt })}`;
    const isWritten = this.#write(what, outcome, () => undefined);
    if (!isWritten) this.world.after(1000, '', again);
  }

  #aggregate(round: number, attempt: number): void {
    const stored = this.root.attempts.find(
      (each) => each.round === round && each.attempt === attempt,
    );
    const global = this.root.versions.find(({ version }) => version === round - 1);
    if (stored?.state.phase !== 'aggregating' || global === undefined) return;
    const ofAttempt = [...this.root.uploads.values()].filter((upload) =>
      this.#ports.isOfAttempt(upload, round, attempt),
    );
    const chosen = this.#ports.selectUploads(stored.state, ofAttempt);
    const updates = chosen.map((upload) => ({
      site: upload.site,
      weight: this.#ports.weightOf(upload),
      delta: Float32Array.from(
        rangesInOrder(upload).flatMap((range) => range.split(' ').map(Number)),
      ),
    }));
    const body = {
      version: round,
      values: this.#ports.aggregate(global.values, updates),
      previousDigest: global.digest,
      members: chosen.map(({ site, samples }) => ({ site, samples })),
    };
    const version: Version = { ...body, digest: versionDigest(body) };
    const publish = (root: Root): Root => ({ ...root, versions: [...root.versions, version] });
    if (this.#ports.publishesInOneWrite) {
      this.#fire(round, attempt, { type: 'aggregated' }, publish);
      return;
    }
    const first = { root: publish(this.root), answer: { ok: true } as const, effects: [] };
    if (this.#write('a version', first, () => undefined))
      this.#fire(round, attempt, { type: 'aggregated' });
  }

  /** Open the next round, or the same one again; after too many attempts the task has failed. */
  #openNext(): void {
    const { current, root } = this;
    if (this.isFinished || (current !== undefined && !isRoundSettled(current.state))) return;
    const isAgain = current?.state.phase === 'abandoned';
    const round = isAgain ? current.round : root.versions.length;
    const attempt = isAgain ? current.attempt + 1 : 1;
    const members = this.#ports.invited(this.#scenario.sites, root.revoked);
    const { quorumSites, quorumSampleShare } = this.#scenario;
    const isHopeless = attempt > attemptsMax || members.length < quorumSites;
    const failure = isHopeless
      ? `${attemptName({ round, attempt })}: ${current?.state.reason ?? 'too few sites'}`
      : null;
    const state = plannedRound({ members: [...members], quorumSites, quorumSampleShare });
    const stored = { round, attempt, openedAtMs: this.world.nowMs, state, record: null };
    const next = isHopeless
      ? { ...root, failure }
      : { ...root, attempts: [...root.attempts, stored] };
    const outcome: Outcome = { root: next, answer: { ok: true }, effects: [] };
    const again = this.alive(() => {
      this.#openNext();
    });
    if (this.#write(`the plan of ${attemptName({ round, attempt })}`, outcome, () => undefined)) {
      this.#openPlanned();
    } else {
      this.world.after(1000, '', again);
    }
  }

  #openPlanned(): void {
    const { current } = this;
    if (current?.state.phase !== 'planned') return;
    const again = this.alive(() => {
      this.#openPlanned(); // the deadline runs from when the round is open
    });
    const deadlineAtMs = this.world.nowMs + this.#scenario.deadlineMs;
    const event = { type: 'opened', deadlineAtMs } as const;
    const { round, attempt } = current;
    const outcome = this.#reduceAt(round, attempt, event, this.root);
    const isWritten = this.#write(
      `the opening of ${attemptName(current)}`,
      outcome,
      () => undefined,
    );
    if (!isWritten) this.world.after(1000, '', again);
  }

  /** An administrator cuts a site off: what it reported to the open attempt is taken out. */
  revoke(site: SiteId): void {
    const { current, root } = this;
    if (!this.isUp || root.revoked.has(site)) {
      if (!this.isUp)
        this.world.after(5000, '', () => {
          this.revoke(site);
        });
      return;
    }
    const revoked = new Set(root.revoked).add(site);
    const reason = 'the site was revoked';
    const base = { ...root, revoked };
    const outcome =
      current === undefined
        ? null
        : this.#reduceAt(current.round, current.attempt, { type: 'withdrawn', site, reason }, base);
    const last =
      outcome?.answer.ok === true
        ? outcome
        : { root: base, answer: { ok: true } as const, effects: [] };
    if (!this.#write(`the revocation of ${site}`, last, () => undefined))
      this.world.after(5000, '', () => {
        this.revoke(site);
      });
  }
}
