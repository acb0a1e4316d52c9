/** A site of the simulation: its disk survives its crashes; it asks for ever, seals once, sends what is lacking. */
import type { RoundEvent, SiteId } from '#core/protocol';
import type { Observer } from './observer.ts';
import { updateDigest, type Ports, type SealedUpdate, type Version } from './ports.ts';
import { withdrawalMoments, type Network, type Scenario } from './scenario.ts';
import type { SimCoordinator } from './sim-coordinator.ts';
import type { OpenAttempt, SiteAnswer, SiteRequest } from './site-requests.ts';
import { Process, type World } from './world.ts';

/** What a site knows of its work on one attempt. */
interface Journal {
  readonly attempt: OpenAttempt;
  readonly phase: 'accepted' | 'sealed' | 'withdrawing' | 'done';
  readonly sealed: SealedUpdate | null;
  /** When it will take its part back; null where it will not. */
  readonly withdrawsWhen: WithdrawalMoment | null;
}
type WithdrawalMoment = (typeof withdrawalMoments)[number];

const rangeCount = 3;
const pollMs = { least: 5000, most: 15_000 } as const;
const answerWaitMs = { least: 2000, most: 9000 } as const;

/** A hospital. */
export class SimSite extends Process {
  readonly site: SiteId;
  readonly #scenario: Scenario;
  readonly #ports: Ports;
  readonly #observer: Observer;
  readonly #network: Network;
  readonly #coordinator: SimCoordinator;
  readonly #samples: number;
  // What is on its disk.
  /** Digests of the versions it knows, from 0 on. */
  readonly #known: string[];
  #journal: Journal | null = null;
  // What a crash forgets.
  #isWorking = false;
  #isAsking = false;

  constructor(options: {
    readonly world: World;
    readonly site: SiteId;
    readonly scenario: Scenario;
    readonly ports: Ports;
    readonly observer: Observer;
    readonly network: Network;
    readonly coordinator: SimCoordinator;
  }) {
    super(options.world, options.site);
    this.site = options.site;
    this.#scenario = options.scenario;
    this.#ports = options.ports;
    this.#observer = options.observer;
    this.#network = options.network;
    this.#coordinator = options.coordinator;
    this.#samples = options.scenario.samples.get(options.site) ?? 1;
    const [zero] = options.coordinator.root.versions;
    this.#known = [zero?.digest ?? ''];
  }

  get #head(): { readonly version: number; readonly digest: string } {
    return { version: this.#known.length - 1, digest: this.#known.at(-1) ?? '' };
  }

  /** The release of its agent: 2 once it is updated. */
  get #agent(): number {
    const updatedAtMs = this.#scenario.updatedAtMs.get(this.site) ?? 0;
    return this.world.nowMs >= updatedAtMs ? 2 : 1;
  }

  /** Start, or start again. */
  start(): void {
    if (this.#isDead) return;
    this.isUp = true;
    this.#isWorking = false;
    this.#isAsking = false;
    this.#resume();
    this.#pull();
    this.#poll();
  }

  get #isDead(): boolean {
    return this.world.nowMs >= (this.#scenario.deaths.get(this.site) ?? Infinity);
  }

  /** The coordinator has something new, it says. */
  hint(): void {
    if (this.isUp) this.#pull();
  }

  /** The site ends for good. */
  die(): void {
    this.world.note(`${this.site}: is gone for good`);
    this.end();
  }

  /** Draw whether the site crashes here. */
  #crashesAt(point: string): boolean {
    if (this.world.nowMs >= this.#scenario.healedAtMs) return false;
    if (!this.world.isChance(this.#scenario.siteCrashRate)) return false;
    this.world.note(`${this.site}: crashes ${point}`);
    this.end();
    this.world.after(this.world.between(100, 40_000), `${this.site}: starts again`, () => {
      this.start();
    });
    return true;
  }

  /** Ask until there is an answer. */
  #ask(request: SiteRequest, take: (answer: SiteAnswer) => void, tries = 0): void {
    if (!this.#ports.asksAgain(tries)) return;
    let isAnswered = false;
    const what = `${this.site} ${request.type}`;
    const onAnswer = this.alive((answer: SiteAnswer) => {
      if (isAnswered) return;
      isAnswered = true;
      if (answer.ok || !answer.isRetryable) take(answer);
      else
        this.after(1000, '', () => {
          this.#ask(request, take, tries + 1);
        });
    });
    this.#network.send(this.site, what, () => {
      this.#coordinator.handle(this.site, request, (answer) => {
        this.#network.send(this.site, `answer to ${what}`, () => {
          onAnswer(answer);
        });
      });
    });
    this.after(this.world.between(answerWaitMs.least, answerWaitMs.most), '', () => {
      if (isAnswered) return;
      isAnswered = true; // an answer that still comes is to a question that is asked again
      this.#ask(request, take, tries + 1);
    });
  }

  #poll(): void {
    if (this.#ports.asksUnprompted) this.#pull();
    this.after(this.world.between(pollMs.least, pollMs.most), '', () => {
      this.#poll();
    });
  }

  #pull(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#ask({ type: 'pull', since: this.#head.version }, (answer) => {
      this.#isAsking = false;
      if (!answer.ok) return;
      for (const version of answer.versions ?? []) this.#adopt(version);
      if (answer.open !== null && answer.open !== undefined) this.#consider(answer.open);
    });
  }

  #adopt(version: Version): void {
    if (version.version <= this.#head.version) return;
    if (!this.#ports.isNext(this.#head, version)) {
      this.world.note(
        `${this.site}: refuses version ${version.version}, it does not follow its own`,
      );
      return;
    }
    this.#observer.adopted(this.site, this.#head, version);
    this.#known.push(version.digest);
  }

  #consider(open: OpenAttempt): void {
    const isKnown =
      this.#journal?.attempt.round === open.round && this.#journal.attempt.attempt === open.attempt;
    if (isKnown || open.round !== this.#head.version + 1) return;
    if (!this.#ports.startsFrom(this.#known, open)) {
      this.#observer.forkSeen(this.site, open);
      return;
    }
    if (this.world.isChance(this.#scenario.declineRate)) {
      this.#journal = { attempt: open, phase: 'done', sealed: null, withdrawsWhen: null };
      this.#observer.excuse(this.site, open);
      this.#send(open, { type: 'declined', site: this.site, reason: 'policy' }, () => undefined);
      return;
    }
    this.#observer.takesPart(this.site, open, this.#known);
    const withdrawsWhen = this.#drawWithdrawal();
    this.#journal = { attempt: open, phase: 'accepted', sealed: null, withdrawsWhen };
    this.#isWorking = false;
    if (this.#crashesAt('after it noted its acceptance')) return;
    this.#resume();
  }

  #drawWithdrawal(): WithdrawalMoment | null {
    if (this.#scenario.withdrawal !== this.site || this.world.isChance(0.3)) return null;
    return withdrawalMoments[this.world.rng.nextInteger(withdrawalMoments.length)] ?? null;
  }

  #send(open: OpenAttempt, event: RoundEvent, done: () => void): void {
    this.#ask({ type: 'event', at: open, event }, (answer) => {
      if (answer.ok) done();
      else this.#refused(open, answer.code);
    });
  }

  #refused(open: OpenAttempt, code: string): void {
    this.#observer.refused(this.site, open, code);
    this.#drop(open, code);
  }

  /** The work on this attempt is over. */
  #drop(open: OpenAttempt, code: string): void {
    if (this.#journal?.attempt !== open) return;
    this.world.note(`${this.site}: drops round ${open.round}.${open.attempt}: ${code}`);
    this.#journal = { ...this.#journal, phase: 'done' };
    this.#isWorking = false;
  }

  /** Say that it takes part; too old an agent is told so, and asks again when it next looks. */
  #accept(open: OpenAttempt, done: () => void): void {
    const declared = { samples: this.#samples, agent: this.#agent };
    this.#ask({ type: 'accept', at: open, declared }, (answer) => {
      if (answer.ok) done();
      else if (answer.code === 'AGENT_VERSION_TOO_OLD' && this.#ports.asksAfterHeldBack) {
        this.world.note(`${this.site}: is too old for round ${open.round}.${open.attempt}`);
        if (this.#journal?.attempt === open) this.#journal = null;
        this.#isWorking = false;
      } else this.#refused(open, answer.code);
    });
  }

  /** Take its part back, where that is due now: nothing more is sent of it. */
  #withdrawsAt(moment: WithdrawalMoment, open: OpenAttempt): boolean {
    const journal = this.#journal;
    if (journal?.attempt !== open || journal.withdrawsWhen !== moment) return false;
    this.world.note(`${this.site}: takes its part back, ${moment}`);
    this.#journal = { ...journal, withdrawsWhen: null, phase: 'withdrawing' };
    this.#observer.withdraws(this.site, open);
    this.#sayWithdrawn(open);
    return this.#ports.holdsWhatWasWithdrawn;
  }

  #sayWithdrawn(open: OpenAttempt): void {
    const event = { type: 'withdrawn', site: this.site, reason: 'the site asked' } as const;
    this.#ask({ type: 'event', at: open, event }, (answer) => {
      if (answer.ok) this.#observer.withdrawalAcknowledged(this.site, open);
      this.#drop(open, 'it is taken back');
    });
  }

  /** Go on where the journal stands. */
  #resume(): void {
    const journal = this.#journal;
    if (journal === null || journal.phase === 'done' || this.#isWorking) return;
    this.#isWorking = true;
    if (journal.phase === 'withdrawing') {
      this.#sayWithdrawn(journal.attempt);
      return;
    }
    if (journal.phase === 'sealed' && journal.sealed !== null) {
      const { sealed } = journal;
      this.#upload(
        journal.attempt,
        this.#ports.resumed(sealed, () => this.#seal(journal.attempt)),
      );
      return;
    }
    const { attempt } = journal;
    this.#accept(attempt, () => {
      if (this.#withdrawsAt('accepted', attempt)) return;
      this.#send(attempt, { type: 'training-started', site: this.site }, () => {
        this.#train(attempt);
      });
    });
  }

  #train(open: OpenAttempt): void {
    if (this.#crashesAt('amid its training')) {
      if (!this.#ports.resumesAccepted && this.#journal !== null)
        this.#journal = { ...this.#journal, phase: 'done' };
      return;
    }
    this.after(this.world.between(1000, 25_000), 'has trained', () => {
      if (this.#journal?.attempt !== open) return;
      if (this.#withdrawsAt('trained', open)) return;
      const sealed = this.#seal(open);
      this.#journal = { ...this.#journal, phase: 'sealed', sealed };
      if (!this.#crashesAt('after it sealed its update')) this.#upload(open, sealed);
    });
  }

  /** Seal an update: a second seal of the same numbers has other bytes. */
  #seal({ round, attempt }: OpenAttempt): SealedUpdate {
    const value = (): number => this.world.between(-8, 8);
    const ranges = [`${value()} ${value()}`, `${value()}`, `${value()}`];
    const update = { site: this.site, round, attempt, samples: this.#samples, ranges };
    return { ...update, digest: updateDigest(update) };
  }

  #upload(open: OpenAttempt, sealed: SealedUpdate): void {
    const { ranges, ...manifest } = sealed;
    this.#ask({ type: 'begin', manifest: { ...manifest, rangeCount } }, (answer) => {
      if (!answer.ok) {
        this.#refused(open, answer.code);
        return;
      }
      const acknowledged = answer.acknowledged ?? [];
      for (const index of acknowledged) this.#observer.rangeAcknowledged(sealed.digest, index);
      this.#sendRanges(open, sealed, [...this.#ports.rangesToSend(ranges.length, acknowledged)]);
    });
  }

  #sendRanges(open: OpenAttempt, sealed: SealedUpdate, left: readonly number[]): void {
    const [index, ...others] = left;
    if (index === undefined) {
      this.#commit(open, sealed);
      return;
    }
    const { digest } = sealed;
    if (this.#crashesAt(`before it sends range ${index}`)) return;
    if (index > 0 && this.#withdrawsAt('amid its upload', open)) return;
    this.#observer.rangeSent(this.site, open, digest, index);
    const content = sealed.ranges[index] ?? '';
    this.#ask({ type: 'range', digest, index, content }, (answer) => {
      if (!answer.ok) {
        this.#refused(open, answer.code);
        return;
      }
      this.#observer.rangeAcknowledged(digest, index);
      this.#sendRanges(open, sealed, others);
    });
  }

  #commit(open: OpenAttempt, sealed: SealedUpdate): void {
    const { digest } = sealed;
    if (this.#crashesAt('before it commits')) return;
    this.#ask({ type: 'commit', digest }, (answer) => {
      if (!answer.ok) {
        this.#refused(open, answer.code);
        return;
      }
      this.#observer.commitAcknowledged(this.#coordinator.root.uploads.get(digest), digest);
      if (!this.#withdrawsAt('reported', open)) this.#drop(open, 'it is reported');
    });
  }
}
