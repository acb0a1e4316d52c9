/** Sees everything of a run at once and says which promise was broken: the invariants of the simulation. */
import { isMemberSettled, type RoundState, type SiteId } from '#core/protocol';
import type { Command } from './commands.ts';
import { rightPorts, versionDigest, type StoredUpload, type Version } from './ports.ts';
import type { Root, StoredAttempt } from './root.ts';
import type { Scenario } from './scenario.ts';
import type { SimCoordinator } from './sim-coordinator.ts';
import type { AttemptKey, OpenAttempt } from './site-requests.ts';
import { TaskWatch } from './task-watch.ts';
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
  'shut-out':
    'a site that is suspended, revoked or gone has no part in what opens or is summed later',
  'suspended-as-ruled':
    'a site is suspended by its administrator or for lost rounds, and then it is',
  'taken-back': 'of what a site has taken back nothing more is sent, and nothing is in a version',
  'rules-held': 'no version has the share of a site that the rules of its task keep out',
  'waits-as-ruled': 'a round goes on with its quorum where its rules say so, and there alone',
  'base-as-asked':
    'every attempt starts from the latest version, or from the one that was asked for',
  'base-known': 'an attempt starts from a version that its sites know, and from that very file',
  'paused-opens-none': 'while a task is paused, has failed or is finished no attempt opens',
  'rounds-as-asked': 'a finished task has as many versions as were asked for',
  'command-once': 'a command that is asked for again is not done again',
  'shares-marked':
    'what a site that left has a share in is marked, and left behind where that was asked for',
  'time-given': 'the time a coordinator was down is not taken from the sites',
  'no-undue-refusal': 'a site that follows the protocol is refused only what has ended',
  'no-surprise': 'nothing fails that was not made to fail',
  ends: 'every round ends',
} as const;
/** Name of an invariant. */
export type Invariant = keyof typeof invariants;

/** What a site may be refused with although it did nothing wrong. */
const dueRefusals: ReadonlySet<string> = new Set(['ROUND_CLOSED', 'SITE_REVOKED', 'SITE_LEFT']);
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
  readonly #task: TaskWatch;
  /** Attempts that a site said to leave, and those of them that it was told to be out of. */
  readonly #takenBack = new Map<string, 'said' | 'acknowledged'>();
  #isRolledBack = false;

  constructor(world: World, scenario: Scenario) {
    this.#world = world;
    this.#scenario = scenario;
    this.#task = new TaskWatch(world, scenario, {
      broken: (invariant, what) => {
        if (!this.#isRolledBack) this.broken(invariant, what);
      },
      excuse: (site, at) => this.excuse(site, at),
    });
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
    this.#task.wasDown(untilMs - fromMs);
  }

  excuse(site: SiteId, { round, attempt }: AttemptKey): void {
    const key = `${round}.${attempt}`;
    this.#excused.set(key, (this.#excused.get(key) ?? new Set()).add(site));
  }

  /** A site learned that a range is stored. */
  rangeAcknowledged(digest: string, index: number): void {
    const known = this.#acknowledgedRanges.get(digest) ?? new Set();
    this.#acknowledgedRanges.set(digest, known.add(index));
  }

  rangeSent(site: SiteId, { round, attempt }: AttemptKey, digest: string, index: number): void {
    if (this.#isRolledBack) return; // an attempt of this number may be another one now
    if (this.#takenBack.has(`${site} ${round}.${attempt}`))
      this.broken('taken-back', `${site} sends range ${index} of round ${round}.${attempt}`);
    if (this.#acknowledgedRanges.get(digest)?.has(index) !== true) return;
    this.broken('acknowledged-not-resent', `${site} sends range ${index} again`);
  }

  /** What an upload was when its commit was answered with yes. */
  committing(upload: StoredUpload | undefined, isTaken: boolean): void {
    if (isTaken && upload !== undefined && !rightPorts.isWhole(upload))
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

  /** A site takes its part in an attempt back. */
  withdraws(site: SiteId, at: AttemptKey): void {
    this.excuse(site, at);
    this.#takenBack.set(`${site} ${at.round}.${at.attempt}`, 'said');
  }

  withdrawalAcknowledged(site: SiteId, { round, attempt }: AttemptKey): void {
    this.#takenBack.set(`${site} ${round}.${attempt}`, 'acknowledged');
  }

  /** A site takes part in what is offered as starting from this version. */
  takesPart(site: SiteId, open: OpenAttempt, known: readonly string[]): void {
    if (known[open.base] === open.baseDigest) return;
    this.broken('base-known', `${site} starts round ${open.round}.${open.attempt} elsewhere`);
  }

  /** A site is offered an attempt from a version that it knows otherwise. */
  forkSeen(site: SiteId, { round, attempt, base }: OpenAttempt): void {
    if (this.#isRolledBack) return;
    this.broken('base-known', `round ${round}.${attempt} starts from another ${base} at ${site}`);
  }

  /** A command is about to be written. */
  commanding(key: string, command: Command): void {
    this.#task.commanding(key, command);
  }

  /** A site was refused for good. */
  refused(
    site: SiteId,
    { round, attempt }: { round: number; attempt: number },
    code: string,
  ): void {
    const isExcused = this.#excused.get(`${round}.${attempt}`)?.has(site) === true;
    const isRuled = code === 'SAMPLES_TOO_FEW' && this.#task.hasTooFewSamples(site);
    if (dueRefusals.has(code) || isRuled || this.#isRolledBack || isExcused) return;
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
    this.#task.written(before, after);
    const last = after.versions.at(-1);
    if (after.versions.length > before.versions.length && last !== undefined)
      this.#checkVersion(after, last);
    for (const [index, stored] of after.attempts.entries()) {
      const was = before.attempts[index];
      if (was === stored) continue;
      this.#checkAttempt(stored, was);
    }
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
    const base = root.versions[stored.base];
    if (base === undefined || version.base !== stored.base)
      this.broken('chain', `version ${version.version} has another base than its round`);
    else this.#checkSum(root, version, base, stored);
    for (const site of this.#isRolledBack ? [] : names)
      if (this.#takenBack.get(`${site} ${stored.round}.${stored.attempt}`) === 'acknowledged')
        this.broken('taken-back', `${site} is in version ${version.version}`);
    if (names.length < this.#scenario.quorumSites)
      this.broken('quorum-held', `version ${version.version} with ${names.length} sites`);
  }

  /** Recompute a version from what the record names: in whole numbers, so exactly, and in another order. */
  #checkSum(root: Root, version: Version, base: Version, stored: StoredAttempt): void {
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
      const wanted = (base.values[at] ?? NaN) + sum / total;
      return Math.abs(value - wanted) <= 1e-6 * (1 + Math.abs(wanted));
    });
    if (!isExact) this.broken('exact-sum', `version ${version.version} is another sum`);
    if (deltas.length === 0) return;
    const turned = rightPorts.aggregate(base.values, this.#world.rng.shuffle([...deltas]));
    const isSame =
      Buffer.compare(Buffer.from(turned.buffer), Buffer.from(version.values.buffer)) === 0;
    if (isExact && !isSame) this.broken('order-free', `version ${version.version} has other bytes`);
  }

  #checkAttempt(stored: StoredAttempt, was: StoredAttempt | undefined): void {
    const { state, record, round, attempt } = stored;
    const name = `round ${round}.${attempt}`;
    if (was === undefined) this.#invitedAtMs.set(name, this.#world.nowMs);
    for (const member of state.members) {
      const isNew =
        was?.state.members.find(({ site }) => site === member.site)?.status !== member.status;
      const isEarly = this.#world.nowMs < (state.deadlineAtMs ?? Infinity);
      if (isNew && member.status === 'lost' && isEarly && state.isClosedByQuorum !== true)
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
      stored.state.isClosedByQuorum !== true &&
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
    this.#task.conclude(root);
    for (const [digest, upload] of this.#acknowledgedCommits) this.#checkKept(root, digest, upload);
    for (const stored of root.attempts) this.#checkNobodyLeftOut(stored);
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

  #checkNobodyLeftOut(stored: StoredAttempt): void {
    const { round, attempt, state, openedAtMs } = stored;
    const { healedAtMs } = this.#scenario;
    // Who was not in when the round went on with its quorum, or was given up, had no time to be.
    if (state.isClosedByQuorum === true || this.#task.wasGivenUp(stored)) return;
    const closedAtMs = this.#settledAtMs.get(`round ${round}.${attempt}`) ?? 0;
    if (openedAtMs < healedAtMs && closedAtMs < healedAtMs + enoughMs) return;
    for (const { site, status } of state.members) {
      const isExcused =
        this.#excused.get(`${round}.${attempt}`)?.has(site) === true ||
        this.#scenario.deaths.has(site) ||
        this.#task.isHindered(site, closedAtMs);
      if (!isExcused && status !== 'reported')
        this.broken('nobody-left-out', `${site} is ${status} in round ${round}.${attempt}`);
    }
  }
}
