/**
 * Draining before an upgrade: open rounds are finished, none is opened, late uploads that are coming in are taken; then the
 * process ends. It is kept in memory alone: whatever starts anew serves.
 */
import { Injectable } from '@nestjs/common';
import { isMemberSettled } from '#core/protocol';
import { BackgroundWork } from '../common/background-work.ts';
import { Environment } from '../common/environment.ts';
import { AuditService } from '../audit/audit.service.ts';
import { RoundStore, type RoundRecord } from '../rounds/round-store.ts';
import { RoundOpeningsService } from '../rounds/round-openings.service.ts';
import { UploadAdmission } from '../uploads/upload-admission.service.ts';
import { OpeningGate } from './opening-gate.service.ts';
import type { DrainView } from './operations.contract.ts';

const lookIntervalMs = 200;
/** How long the last word can be read before the process ends. */
const lingerMs = 10_000;

/** Draining before an upgrade. */
@Injectable()
export class DrainService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #gate: OpeningGate;
  readonly #store: RoundStore;
  readonly #openings: RoundOpeningsService;
  readonly #uploads: UploadAdmission;
  readonly #audit: AuditService;
  /** Resolves once everything has ended and somebody has read so, or had the time to. */
  readonly whenDrained: Promise<void>;
  #resolveDrained: () => void = () => undefined;
  #sinceMs: number | null = null;
  #isDrained = false;

  constructor(
    environment: Environment,
    background: BackgroundWork,
    gate: OpeningGate,
    store: RoundStore,
    openings: RoundOpeningsService,
    uploads: UploadAdmission,
    audit: AuditService,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#gate = gate;
    this.#store = store;
    this.#openings = openings;
    this.#uploads = uploads;
    this.#audit = audit;
    this.whenDrained = new Promise((resolve) => {
      this.#resolveDrained = resolve;
    });
  }

  /** Begin to drain; a repeat changes nothing. */
  async begin(): Promise<DrainView> {
    if (this.#sinceMs === null) {
      this.#sinceMs = this.#environment.clock.wallTimeMs();
      this.#gate.isDraining = true;
      this.#environment.logger.info('draining', { event: 'draining' });
      this.#lookLater();
      await this.#record('coordinator.draining');
    }
    return this.view();
  }

  /** Drain no more, unless it is over: rounds open again. */
  async cancel(): Promise<DrainView> {
    if (this.#sinceMs !== null && !this.#isDrained) {
      this.#sinceMs = null;
      this.#gate.isDraining = false;
      this.#environment.logger.info('drain cancelled', { event: 'drain-cancelled' });
      this.#background.startUntilDone('advance', () => this.#openings.advanceAll());
      await this.#record('coordinator.drain-cancelled');
    }
    return this.view();
  }

  /** Where it stands and what it awaits. */
  async view(): Promise<DrainView> {
    if (this.#isDrained) {
      // Whoever reads this knows that the end of the process is the one that was asked for.
      setTimeout(this.#resolveDrained, lookIntervalMs);
      return { status: 'drained', sinceMs: this.#sinceMs, rounds: [], lateUploads: [] };
    }
    const rounds = await Promise.all(
      (await this.#store.unsettled()).map((round) => this.#awaited(round)),
    );
    return {
      status: this.#sinceMs === null ? 'serving' : 'draining',
      sinceMs: this.#sinceMs,
      rounds,
      lateUploads: await this.#uploads.lateUploads(),
    };
  }

  #lookLater(): void {
    this.#background.startLater('drain', lookIntervalMs, async () => {
      if (this.#sinceMs === null) return;
      try {
        const { rounds, lateUploads } = await this.view();
        if (rounds.length === 0 && lateUploads.length === 0) {
          this.#end();
          return;
        }
      } catch (error) {
        // A database that is away is awaited like a round.
        this.#environment.logger.warn('drain: it could not look', { event: 'drain', error });
      }
      this.#lookLater();
    });
  }

  #end(): void {
    this.#isDrained = true;
    this.#environment.logger.info('drained', { event: 'drained' });
    this.#lingerUntil(this.#environment.clock.monotonicTimeMs() + lingerMs);
  }

  #lingerUntil(endMs: number): void {
    this.#background.startLater('drain', lookIntervalMs, async () => {
      if (this.#environment.clock.monotonicTimeMs() >= endMs) this.#resolveDrained();
      else this.#lingerUntil(endMs);
    });
  }

  async #awaited(round: RoundRecord): Promise<DrainView['rounds'][number]> {
    const before =
      round.round > 1 ? await this.#store.latest(round.task, { round: round.round - 1 }) : null;
    const expectedEndAtMs =
      before === null || before.settledAtMs === null
        ? null
        : round.openedAtMs + before.settledAtMs - before.openedAtMs;
    const isAhead =
      expectedEndAtMs !== null && expectedEndAtMs > this.#environment.clock.wallTimeMs();
    return {
      task: round.task,
      round: round.round,
      attempt: round.attempt,
      phase: round.state.phase,
      deadlineAtMs: round.deadlineAtMs,
      expectedEndAtMs: isAhead ? Math.min(expectedEndAtMs, round.deadlineAtMs) : null,
      members: round.state.members
        .filter((member) => !isMemberSettled(member))
        .map(({ site, status }) => ({ site, status })),
    };
  }

  async #record(action: string): Promise<void> {
    await this.#environment.transactions.run((transaction) =>
      this.#audit.append(transaction, {
        actor: 'administrator',
        action,
        target: 'coordinator',
      }),
    );
  }
}
