/** Sees everything of a run at once and says which promise was broken: the invariants of the simulation. */
import { isMemberSettled, type RoundState, type SiteId } from '#core/protocol';
import { rightPorts, versionDigest, type StoredUpload, type Version } from './ports.ts';
import type { Scenario } from './scenario.ts';
import type { Root, SimCoordinator, StoredAttempt } from './sim-coordinator.ts';
import type { World } from './world.ts';

/** A broken promise. */
export interface Violation {
  readonly atMs: number;
  readonly invariant: Invariant;
  readonly what: string;
}

/** What must hold in every run. */
export const invariants = {
  'acknowledged-kept': 'what was acknowledged is still there, whatever crashed',
  'acknowledged-not-resent': 'no acknowledged range is sent again',
  'exact-sum': 'a version is the weighted sum over exactly the members that its round recorded',
  'order-free': 'the same updates in another order give the same bytes',
  'counted-once': 'no site is counted twice',
  chain: 'versions form one chain: none is published twice or out of turn',
  'adopted-in-chain': 'no site adopts a version that does not follow its own',
  'all-recorded':
    'every planned member stands in the record, settled, with a reason unless it reported',
  'quorum-held': 'a version is published only with its quorum',
  'lost-at-deadline': 'no member is lost before its deadline',
  'nobody-left-out': 'once the network is whole, every member that lives and agrees has reported',
  'revoked-out': 'a revoked site is in no later attempt',
  'time-given': 'the time a coordinator was down is not taken from the sites',
  'no-undue-refusal': 'a site that follows the protocol is refused only what has ended',
  'no-surprise': 'nothing fails that was not made to fail',
  ends: 'every round ends',
} as const;
/** Name of an invariant. */
export type Invariant = keyof typeof invariants;

/** What a site may be refused with although it did nothing wrong. */
const dueRefusals: ReadonlySet<string> = new Set(['ROUND_CLOSED', 'SITE_REVOKED']);
/** After the network is whole, time enough for a restart, a training and every question asked once more. */
const enoughMs = 110_000;

const outOfReach = new Set<RoundState['phase']>(['planned', 'inviting', 'training']);

/** The judge of one run. */
export class Observer {
  readonly violations: Violation[] = [];
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #acknowledgedRanges = new Map<string, Set<number>>();
  readonly #acknowledgedCommits = new Map<string, StoredUpload>();
  /** Sites that declined, withdrew or cannot be asked, by attempt; nobody is surprised by their absence. */
  readonly #excused = new Map<string, Set<SiteId>>();
  readonly #downMs: { readonly fromMs: number; readonly untilMs: number }[] = [];
  readonly #settledAtMs = new Map<string, number>();
  /** When the deadline of an attempt began to run. */
  readonly #invitedAtMs = new Map<string, number>();
  #isRolledBack = false;

  constructor(world: World, scenario: Scenario) {
    this.#world = world;
    this.#scenario = scenario;
  }

  broken(invariant: Invariant, what: string): void {
    this.#world.note(`BROKEN ${invariant}: ${what}`);
    this.violations.push({ atMs: this.#world.nowMs, invariant, what });
  }

  /** The coordinator's disk went back in time: what it then lacks is no fault of its own. */
  rolledBack(): void {
    this.#isRolledBack = true;
    this.#world.note('coordinator: comes back on an old copy of its disk');
  }

  wasDown(fromMs: number, untilMs: number): void {
    this.#downMs.push({ fromMs, untilMs });
  }

  excuse(site: SiteId, round: number, attempt: number): void {
    const key = `${round}.${attempt}`;
    this.#excused.set(key, (this.#excused.get(key) ?? new Set()).add(site));
  }

  /** A site learned that a range is stored. */
  rangeAcknowledged(digest: string, index: number): void {
    const known = this.#acknowledgedRanges.get(digest) ?? new Set();
    this.#acknowledgedRanges.set(digest, known.add(index));
  }

  rangeSent(site: SiteId, digest: string, index: number): void {
    if (this.#isRolledBack || this.#acknowledgedRanges.get(digest)?.has(index) !== true) return;
    this.broken('acknowledged-not-resent', `${site} sends range ${index} again`);
  }

  /** What an upload was when its commit was answered with yes. */
  committing(upload: StoredUpload, isTaken: boolean): void {
    if (isTaken && !rightPorts.isWhole(upload))
      this.broken('acknowledged-kept', `an update of ${upload.site} is committed with holes`);
  }

  commitAcknowledged(upload: StoredUpload | undefined, digest: string): void {
    if (upload === undefined) {
      if (!this.#isRolledBack)
        this.broken(
          'acknowledged-kept',
          `the coordinator lacks the committed ${digest.slice(0, 8)}`,
        );
      return;
    }
    this.#acknowledgedCommits.set(digest, upload);
  }

  /** A site was refused for good. */
  refused(
    site: SiteId,
    { round, attempt }: { round: number; attempt: number },
    code: string,
  ): void {
    const isExcused = this.#excused.get(`${round}.${attempt}`)?.has(site) === true;
    if (dueRefusals.has(code) || this.#isRolledBack || isExcused) return;
    this.broken('no-undue-refusal', `${site} in round ${round}.${attempt}: ${code}`);
  }

  adopted(
    site: SiteId,
    own: { readonly version: number; readonly digest: string },
    next: Version,
  ): void {
    if (next.version === own.version + 1 && next.previousDigest === own.digest) return;
    this.broken('adopted-in-chain', `${site} has ${own.version} and adopts ${next.version}`);
  }

  /** Compare the disk before and after a write. */
  written(before: Root, after: Root): void {
    const last = after.versions.at(-1);
    if (after.versions.length > before.versions.length && last !== undefined)
      this.#checkVersion(after, last);
    for (const [index, stored] of after.attempts.entries()) {
      const was = before.attempts[index];
      if (was === stored) continue;
      this.#checkAttempt(stored, was);
      if (was === undefined) this.#checkInvited(after, stored);
    }
  }

  #checkInvited(root: Root, { round, attempt, state }: StoredAttempt): void {
    for (const { site } of state.members)
      if (root.revoked.has(site))
        this.broken('revoked-out', `${site} is a member of round ${round}.${attempt}`);
  }

  #checkVersion(root: Root, version: Version): void {
    const previous = root.versions.at(-2);
    const isInTurn =
      version.version === root.versions.length - 1 &&
      version.previousDigest === previous?.digest &&
      version.digest === versionDigest(version);
    if (!isInTurn) this.broken('chain', `version ${version.version} is out of turn`);
    const names = version.members.map(({ site }) => site);
    if (new Set(names).size !== names.length)
      this.broken('counted-once', `version ${version.version} counts ${names.join(', ')}`);
    const stored = root.attempts.findLast(({ round }) => round === version.version);
    if (stored === undefined || previous === undefined) {
      this.broken('exact-sum', `version ${version.version} has no round`);
      return;
    }
    this.#checkSum(root, version, previous, stored);
    if (names.length < this.#scenario.quorumSites)
      this.broken('quorum-held', `version ${version.version} with ${names.length} sites`);
  }

  /** Recompute a version from what the record names: in whole numbers, so exactly, and in another order. */
  #checkSum(root: Root, version: Version, previous: Version, stored: StoredAttempt): void {
    const reported = stored.state.members.filter(({ status }) => status === 'reported');
    const uploads = reported.map(({ updateDigest }) => root.uploads.get(updateDigest ?? ''));
    const whole = uploads.filter((upload) => upload !== undefined);
    const deltas = whole.map((upload) => ({
      site: upload.site,
      weight: upload.samples,
      delta: Float32Array.from(
        [...upload.ranges.entries()]
          .sort(([a], [b]) => a - b)
          .flatMap(([, content]) => content.split(' ').map(Number)),
      ),
    }));
    if (whole.length !== reported.length || whole.some((upload) => !upload.isCommitted)) {
      this.broken('exact-sum', `version ${version.version}: a recorded member has no update`);
      return;
    }
    const total = deltas.reduce((sum, { weight }) => sum + weight, 0);
    const isExact = [...version.values].every((value, at) => {
      const sum = deltas.reduce((all, { weight, delta }) => all + weight * (delta[at] ?? NaN), 0);
      const wanted = (previous.values[at] ?? NaN) + sum / total;
      return Math.abs(value - wanted) <= 1e-6 * (1 + Math.abs(wanted));
    });
    if (!isExact) this.broken('exact-sum', `version ${version.version} is another sum`);
    if (deltas.length === 0) return;
    const turned = rightPorts.aggregate(previous.values, this.#world.rng.shuffle([...deltas]));
    const isSame =
      Buffer.compare(Buffer.from(turned.buffer), Buffer.from(version.values.buffer)) === 0;
    if (isExact && !isSame) this.broken('order-free', `version ${version.version} has other bytes`);
  }

  #checkAttempt(stored: StoredAttempt, was: StoredAttempt | undefined): void {
    const { state, record, round, attempt } = stored;
    const name = `round ${round}.${attempt}`;
    if (was?.state.phase === 'planned') this.#invitedAtMs.set(name, this.#world.nowMs);
    for (const member of state.members) {
      const isNew =
        was?.state.members.find(({ site }) => site === member.site)?.status !== member.status;
      if (isNew && member.status === 'lost' && this.#world.nowMs < (state.deadlineAtMs ?? Infinity))
        this.broken('lost-at-deadline', `${member.site} in ${name}`);
    }
    if (outOfReach.has(state.phase)) return;
    if (was !== undefined && outOfReach.has(was.state.phase))
      this.#settledAtMs.set(name, this.#world.nowMs);
    this.#checkTimeGiven(stored, was);
    const recorded = record ?? state.members;
    const planned = was?.state.members ?? state.members;
    const isComplete =
      planned.every(({ site }) => recorded.filter((member) => member.site === site).length === 1) &&
      recorded.every(
        (member) =>
          (state.phase === 'abandoned' || isMemberSettled(member)) &&
          (member.status === 'reported' || !isMemberSettled(member) || member.reason !== null),
      );
    if (!isComplete) this.broken('all-recorded', `${name} as it is ${state.phase}`);
  }

  /** A deadline passed: the sites must have had the whole time, less none of the coordinator's absence. */
  #checkTimeGiven(stored: StoredAttempt, was: StoredAttempt | undefined): void {
    const isByDeadline =
      was !== undefined &&
      outOfReach.has(was.state.phase) &&
      stored.state.members.some(({ status }) => status === 'lost');
    if (!isByDeadline || this.#isRolledBack) return;
    const startMs = this.#invitedAtMs.get(`round ${stored.round}.${stored.attempt}`) ?? 0;
    const absentMs = this.#downMs
      .filter(({ untilMs }) => untilMs > startMs)
      .reduce((sum, { fromMs, untilMs }) => sum + untilMs - Math.max(fromMs, startMs), 0);
    const givenMs = this.#world.nowMs - startMs - absentMs;
    if (givenMs < this.#scenario.deadlineMs - 1)
      this.broken('time-given', `${givenMs} ms of ${this.#scenario.deadlineMs} ms`);
  }

  /** The run is over: what must hold of it as a whole. */
  conclude(coordinator: SimCoordinator): void {
    const { root } = coordinator;
    if (!coordinator.isFinished)
      this.broken('ends', `${root.versions.length - 1} versions, no end`);
    if (this.#isRolledBack) return;
    for (const [digest, upload] of this.#acknowledgedCommits) this.#checkKept(root, digest, upload);
    for (const stored of root.attempts) this.#checkNobodyLeftOut(root, stored);
  }

  #checkKept(root: Root, digest: string, upload: StoredUpload): void {
    const stored = root.attempts.find(
      ({ round, attempt }) => round === upload.round && attempt === upload.attempt,
    );
    const member = stored?.state.members.find(({ site }) => site === upload.site);
    const isKept = root.uploads.get(digest)?.isCommitted === true;
    const isShown =
      member !== undefined && ['reported', 'late', 'withdrawn'].includes(member.status);
    if (!isKept || !isShown)
      this.broken(
        'acknowledged-kept',
        `the update of ${upload.site}: ${member?.status ?? 'no member'}`,
      );
  }

  #checkNobodyLeftOut(root: Root, stored: StoredAttempt): void {
    const { round, attempt, state, openedAtMs } = stored;
    const { healedAtMs } = this.#scenario;
    const closedAtMs = this.#settledAtMs.get(`round ${round}.${attempt}`) ?? 0;
    if (openedAtMs < healedAtMs && closedAtMs < healedAtMs + enoughMs) return;
    for (const { site, status } of state.members) {
      const isExcused =
        this.#excused.get(`${round}.${attempt}`)?.has(site) === true ||
        this.#scenario.deaths.has(site) ||
        root.revoked.has(site);
      if (!isExcused && status !== 'reported')
        this.broken('nobody-left-out', `${site} is ${status} in round ${round}.${attempt}`);
    }
  }
}
