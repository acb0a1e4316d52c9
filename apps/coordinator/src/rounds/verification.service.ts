/**
 * Recomputes a version from what the coordinator stores, or, once uploads and the round's key are erased, checks the signed
 * chain alone and says so. Everything is read again from the database and the disk: what is held in memory proves nothing.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { decodeAdapterFile, initialAdapter, specificationOf } from '#core/adapter';
import { fromHex } from '#core/bytes';
import { signDomains, verifyPayload } from '#core/crypto';
import { InputError, MeloError, StateError } from '#core/errors';
import { decodePayload, manifestSchema, type TaskId } from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { libraryName } from '../common/package-info.ts';
import { VersionsService, type VersionRecord } from '../registry/versions.service.ts';
import { RosterService } from '../sites/roster.service.ts';
import { TaskStore, type TaskRecord } from '../tasks/task-store.ts';
import { UploadStore, type UploadRecord } from '../uploads/upload-store.ts';
import { ChainCheck, type CheckedLink } from './chain-check.ts';
import { RoundSealsService } from './round-seals.service.ts';
import { roundNotFound, RoundStore, type RoundRecord } from './round-store.ts';
import { updateWeight } from './round-transitions.service.ts';
import type { VerificationView } from './rounds.contract.ts';
import { storedLinks } from './stored-links.ts';

type Check = VerificationView['checks'][number];

/** Links read and checked at a time; other work comes in between. */
const linksPerPage = 50;

/** Recomputes versions. */
@Injectable()
export class VerificationService {
  readonly #environment: Environment;
  readonly #tasks: TaskStore;
  readonly #rounds: RoundStore;
  readonly #uploads: UploadStore;
  readonly #versions: VersionsService;
  readonly #seals: RoundSealsService;
  readonly #roster: RosterService;

  constructor(
    environment: Environment,
    tasks: TaskStore,
    roundStore: RoundStore,
    uploads: UploadStore,
    versionsService: VersionsService,
    seals: RoundSealsService,
    roster: RosterService,
  ) {
    this.#environment = environment;
    this.#tasks = tasks;
    this.#rounds = roundStore;
    this.#uploads = uploads;
    this.#versions = versionsService;
    this.#seals = seals;
    this.#roster = roster;
  }

  /**
   * Check what a round published.
   *
   * @throws StateError ROUND_NOT_FOUND, or STATE_CONFLICT where no version came of it
   */
  async verify(task: TaskId, number: number): Promise<VerificationView> {
    const record = await this.#tasks.get(task);
    const round = await this.#publishedRound(record, number);
    const checks: Check[] = [];
    const version = await this.#versions.readAgain(task, number);
    const link = await attempt(checks, 'chain', () => this.#checkChain(record, number));
    const library = await attempt(checks, 'file', () => this.#checkFile(version));
    let recomputedDigest: string | null = null;
    if (link !== null && this.#isRetained(round)) {
      recomputedDigest = await attempt(checks, 'recomputation', () =>
        this.#recompute(record, round, link, library ?? libraryName),
      );
    }
    return {
      ...{ task, round: number, attempt: round.attempt },
      scope: this.#isRetained(round) ? 'recomputed' : 'chain',
      isGood: checks.every(({ isGood }) => isGood),
      checks,
      signedDigest: link?.result.adapterDigest ?? null,
      recomputedDigest,
    };
  }

  async #publishedRound(task: TaskRecord, number: number): Promise<RoundRecord> {
    if (number <= task.latestVersion) {
      const { roundId } = await this.#versions.get(task.task, number);
      if (roundId !== null) return this.#rounds.get(roundId);
    }
    const latest = await this.#rounds.latest(task.task, { round: number });
    if (latest === null) throw roundNotFound(task.task, number);
    throw new StateError(
      'STATE_CONFLICT',
      `round ${number} of ${task.task}: expected one that published a version, it is ${latest.state.phase}; see its attempts`,
      { phase: latest.state.phase },
    );
  }

  /** Whether what the round was made of must still be there. */
  #isRetained({ wrappedSecretKey, settledAtMs }: RoundRecord): boolean {
    const { clock, settings } = this.#environment;
    const endsAtMs = (settledAtMs ?? 0) + settings.retentionMs;
    return wrappedSecretKey !== null && endsAtMs > clock.wallTimeMs();
  }

  async #checkChain(task: TaskRecord, last: number): Promise<CheckedLink> {
    const { federation, keys } = this.#environment;
    const initial = await this.#versions.readAgain(task.task, 0);
    await this.#checkSeed(task, initial);
    const chain = new ChainCheck({
      ...{ federation, task: task.task, coordinatorPublicKey: keys.signing.publicKey },
      initialDigest: initial.adapterDigest,
    });
    let checked: CheckedLink | null = null;
    for (let first = 1; first <= last; first += linksPerPage) {
      const end = Math.min(last, first + linksPerPage - 1);
      const page = await storedLinks(this.#environment.queries, task.task, first, end);
      for (const link of page) checked = chain.next(link);
      await breathe();
    }
    if (checked?.result.version === last) return checked;
    throw new InputError(
      'NOT_FOUND',
      `versions: expected every one up to ${last}, some are missing`,
    );
  }

  /** Version 0 is what anyone derives from the public seed. */
  async #checkSeed({ definition }: TaskRecord, initial: VersionRecord): Promise<void> {
    const { values } = decodeAdapterFile(await this.#versions.file(initial));
    const expected = initialAdapter(specificationOf(definition), definition.publicSeed);
    if (expected.every((value, index) => Object.is(value, values[index]))) return;
    throw new InputError('REQUEST_INVALID', 'version 0: expected what the public seed gives');
  }

  /** Check that the stored file is the one that was signed, as is the aggregation's state; return which release made it. */
  async #checkFile(version: VersionRecord): Promise<string> {
    const { card, layout } = decodeAdapterFile(await this.#versions.file(version));
    await this.#versions.state(version, layout);
    return card.software.library;
  }

  /** Aggregate again what the signed membership names, and compare. */
  async #recompute(
    task: TaskRecord,
    round: RoundRecord,
    { open, result, membership }: CheckedLink,
    library: string,
  ): Promise<string> {
    const base = await this.#versions.readAgain(round.task, open.globalVersion);
    const uploads = await this.#uploads.ofRound(round.id);
    const updates = membership.members.flatMap(({ site, weight, updateDigest }) => {
      if (weight === null) return [];
      const upload = uploads.find(({ uploadId }) => uploadId === updateDigest);
      if (upload?.site !== site) {
        throw new InputError('NOT_FOUND', `update of ${site}: expected its upload, it is missing`);
      }
      const samples = this.#signedSamples(upload, round);
      if (updateWeight(task.definition, samples) !== weight) {
        throw new InputError(
          'REQUEST_INVALID',
          `update of ${site}: expected weight ${weight} as the membership says, its manifest gives ${updateWeight(task.definition, samples)}`,
        );
      }
      return [{ ...this.#uploads.sealedUpdate(upload), weight, samples }];
    });
    const made = await this.#environment.work.aggregate({
      ...{ seal: await this.#seals.sealOf(round), library, updates },
      global: { ...this.#versions.stored(base), digest: open.globalAdapterDigest },
      state: this.#versions.storedState(base),
      isMeasured: false,
      contentKey: this.#versions.freshContentKey(),
    });
    const { stateDigest = null } = result;
    if ((made.state?.digest ?? null) !== stateDigest) {
      throw new InputError(
        'REQUEST_INVALID',
        `state after version ${result.version}: expected ${stateDigest ?? 'none'} as it was signed, the updates give ${made.state?.digest ?? 'none'}`,
      );
    }
    if (made.adapterDigest === result.adapterDigest) return made.adapterDigest;
    throw new InputError(
      'REQUEST_INVALID',
      `version ${result.version}: expected ${result.adapterDigest} as it was signed, the updates give ${made.adapterDigest}`,
    );
  }

  /** The samples that a manifest states; its signature is checked where the site still has the keys it had then. */
  #signedSamples(upload: UploadRecord, round: RoundRecord): number {
    const site = this.#roster.find(upload.site);
    const payload = upload.manifestPayload;
    const hasSameKeys = site !== undefined && (site.enrolledAtMs ?? 0) <= round.openedAtMs;
    if (hasSameKeys && site.signingPublicKey !== null) {
      const signature = upload.manifestSignature;
      verifyPayload(signDomains.manifest, { payload, signature }, fromHex(site.signingPublicKey));
    }
    return decodePayload(manifestSchema, payload, `manifest of ${upload.site}`).samples;
  }
}

const what: Readonly<Record<Check['name'], string>> = {
  chain: 'RoundOpen, membership and result of every round up to this one are signed and linked',
  file: 'the stored file of the version is the one that was signed',
  recomputation: 'the stored updates and the signed weights give the version, byte for byte',
};

/** Note whether a check holds; what hinders it for now, such as a full disk, is no verdict and is thrown. */
async function attempt<T>(
  checks: Check[],
  name: Check['name'],
  work: () => Promise<T>,
): Promise<T | null> {
  try {
    const value = await work();
    checks.push({ name, isGood: true, detail: what[name] });
    return value;
  } catch (error) {
    if (error instanceof MeloError && error.catalogEntry.family === 'unavailable') throw error;
    const detail = error instanceof MeloError ? `${error.code}: ${error.message}` : String(error);
    checks.push({ name, isGood: false, detail });
    return null;
  }
}
