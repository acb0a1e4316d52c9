/** From the updates of a round to the next version: file, ciphertext, signed result and membership in one transaction. */
import { Injectable } from '@nestjs/common';
import { envelopeDigest, signDomains, signPayload, type SignedEnvelope } from '#core/crypto';
import { InvariantError, MeloError } from '#core/errors';
import { encodePayload, protocolVersion, roundResultSchema, type SiteId } from '#core/protocol';
import { BackgroundWork } from '../common/background-work.ts';
import { Environment } from '../common/environment.ts';
import { libraryName } from '../common/package-info.ts';
import { isPassing, toCoordinatorError } from '../common/store-errors.ts';
import { VersionsService, type VersionRecord } from '../registry/versions.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { finalVersionOf, TaskStore, type TaskRecord } from '../tasks/task-store.ts';
import { UploadStore } from '../uploads/upload-store.ts';
import type { MadeVersion } from './adapter-work.ts';
import { RoundSealsService } from './round-seals.service.ts';
import { RoundStore, type RoundRecord } from './round-store.ts';
import {
  membershipEntries,
  RoundTransitionsService,
  updateWeight,
} from './round-transitions.service.ts';

/** Failures that are nobody's disk or database: after so many the attempt is given up. */
const failuresMax = 5;

/** From the updates of a round to the next version. */
@Injectable()
export class AggregationService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #store: RoundStore;
  readonly #seals: RoundSealsService;
  readonly #tasks: TaskStore;
  readonly #uploads: UploadStore;
  readonly #versions: VersionsService;
  readonly #transitions: RoundTransitionsService;
  readonly #roster: RosterService;
  /** Rounds that are at work: whoever asks again need not start a second time. */
  readonly #running = new Set<number>();

  constructor(
    environment: Environment,
    background: BackgroundWork,
    store: RoundStore,
    seals: RoundSealsService,
    tasks: TaskStore,
    uploads: UploadStore,
    versions: VersionsService,
    transitions: RoundTransitionsService,
    roster: RosterService,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#store = store;
    this.#seals = seals;
    this.#tasks = tasks;
    this.#uploads = uploads;
    this.#versions = versions;
    this.#transitions = transitions;
    this.#roster = roster;
  }

  /** Aggregate a round in the background, until it is published or given up. */
  start(roundId: number): void {
    if (this.#running.has(roundId)) return;
    this.#running.add(roundId);
    let failures = 0;
    this.#background.startUntilDone('aggregate', async () => {
      try {
        await this.#aggregate(roundId);
      } catch (error) {
        if (!isPassing(error)) failures += 1;
        if (failures < failuresMax) throw error;
        await this.#giveUp(roundId, toCoordinatorError(error));
      }
      this.#running.delete(roundId);
    });
  }

  async #giveUp(roundId: number, error: unknown): Promise<void> {
    const code = error instanceof MeloError ? error.code : 'INTERNAL';
    this.#environment.logger.error('aggregation given up', { event: 'aggregate', code, error });
    const round = await this.#store.get(roundId);
    if (round.state.phase !== 'aggregating') return; // given up before, or abandoned since
    const reason = `the updates could not be aggregated (${code}); the coordinator's log has the details`;
    await this.#transitions.apply(round, { type: 'abandoned', reason });
  }

  async #aggregate(roundId: number): Promise<void> {
    const round = await this.#store.get(roundId);
    if (round.state.phase !== 'aggregating') return; // done before, or abandoned since
    const task = await this.#tasks.get(round.task);
    const base = await this.#versions.get(round.task, round.baseVersion);
    const previous = await this.#versions.get(round.task, round.round - 1);
    const contentKey = this.#versions.freshContentKey();
    const { crashPoints, metrics } = this.#environment;
    const done = metrics.aggregationSeconds.startTimer();
    const made = await this.#makeVersion(round, task, base, contentKey);
    done();
    crashPoints.reach('coordinator.aggregate-made');
    const version = round.round;
    const store = await this.#versions.keep({ task: round.task, version, made, contentKey });
    crashPoints.reach('coordinator.blob-stored');
    await this.#transitions.apply(round, { type: 'aggregated' }, async (transaction, next) => {
      const isFinal = version >= finalVersionOf(await this.#tasks.get(round.task, transaction));
      const signed = this.#signResult(next, task, { previous, made, isFinal });
      // Read again: a site may have left since the work began.
      const { leftSites: before } = await this.#versions.get(round.task, base.version, transaction);
      const leftSites = this.#leftSites(next, before);
      await store(transaction, { roundId, leftSites, ...signed });
      await this.#store.keepFigures(transaction, roundId, made.figures);
      await this.#tasks.update(transaction, round.task, {
        latestVersion: version,
        attemptsForgiven: 0,
        nextBaseVersion: null,
        ...(isFinal ? { status: 'finished' } : {}),
      });
    });
    const { logger } = this.#environment;
    logger.info('version published', { task: round.task, round: round.round, version });
  }

  async #makeVersion(
    round: RoundRecord,
    task: TaskRecord,
    base: VersionRecord,
    contentKey: Uint8Array,
  ): Promise<MadeVersion> {
    const uploads = await this.#uploads.ofRound(round.id);
    const updates = round.state.members
      .filter(({ status }) => status === 'reported')
      .map(({ site, samples, updateDigest }) => {
        const upload = uploads.find(({ uploadId }) => uploadId === updateDigest);
        if (upload?.site !== site || samples === null) {
          throw new InvariantError(`round ${round.round}: expected a committed upload of ${site}`);
        }
        const weight = updateWeight(task.definition, samples);
        return { ...this.#uploads.sealedUpdate(upload), weight, samples };
      });
    return this.#environment.work.aggregate({
      seal: await this.#seals.sealOf(round),
      library: libraryName,
      updates,
      global: this.#versions.stored(base),
      state: this.#versions.storedState(base),
      isMeasured: true,
      contentKey,
    });
  }

  /** Sites that left and whose share is in a version all the same: through its base, or because it was being made then. */
  #leftSites({ state }: RoundRecord, ofBase: readonly SiteId[]): SiteId[] {
    const inAggregate = state.members
      .filter(({ site, status }) => status === 'reported' && this.#roster.hasLeft(site))
      .map(({ site }) => site);
    return [...new Set([...ofBase, ...inAggregate])].sort();
  }

  /** Sign the next link of the chain. */
  #signResult(
    round: RoundRecord,
    task: TaskRecord,
    link: {
      readonly previous: VersionRecord;
      readonly made: MadeVersion;
      readonly isFinal: boolean;
    },
  ): { readonly result: SignedEnvelope; readonly resultDigest: string } {
    const { definition } = task;
    const payload = encodePayload(roundResultSchema, {
      type: 'round-result',
      protocol: protocolVersion,
      federation: this.#environment.federation,
      task: round.task,
      round: round.round,
      attempt: round.attempt,
      roundOpenDigest: round.openDigest,
      version: round.round,
      ...(round.baseVersion === round.round - 1 ? {} : { baseVersion: round.baseVersion }),
      adapterDigest: link.made.adapterDigest,
      backboneFingerprint: definition.backbone.fingerprint,
      layoutHash: this.#tasks.shape(definition).layout.hash,
      method: definition.aggregation.method,
      ...(link.made.state === null ? {} : { stateDigest: link.made.state.digest }),
      members: membershipEntries(round.state, definition, 'published'),
      previousResultDigest: link.previous.resultDigest,
      isFinal: link.isFinal,
    });
    const { secretKey } = this.#environment.keys.signing;
    return {
      result: signPayload(signDomains.roundResult, payload, secretKey),
      resultDigest: envelopeDigest(signDomains.roundResult, payload),
    };
  }
}
