/**
 * Uploads of sealed updates: begun with a signed manifest, stored range by range, opened and checked at commit.
 *
 * A range is acknowledged when it is durable. A repeat is fine with the same bytes alone. Nothing is said to be good
 * before the event `reported` is stored.
 */
import { Injectable } from '@nestjs/common';
import { toHex } from '#core/bytes';
import { blake2b256, signDomains } from '#core/crypto';
import {
  AuthError,
  InputError,
  isErrorCode,
  ProtocolError,
  RelayedError,
  StateError,
} from '#core/errors';
import {
  limits,
  manifestSchema,
  type Manifest,
  type MemberStatus,
  type SiteId,
  type SiteRequest,
} from '#core/protocol';
import { AuditService, type AuditRecord } from '../audit/audit.service.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import type { Queries } from '../config/database.ts';
import { LocalAdaptersService } from '../evaluation/local-adapters.service.ts';
import { findMember, memberStatus } from '../rounds/member-status.ts';
import { RoundSealsService } from '../rounds/round-seals.service.ts';
import { RoundStore, type RoundRecord } from '../rounds/round-store.ts';
import { RoundTransitionsService } from '../rounds/round-transitions.service.ts';
import { SignedBySite } from '../rounds/signed-by-site.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { UploadAdmission } from './upload-admission.service.ts';
import { updateBytesMax } from './update-size.ts';
import { UploadStore, type UploadRecord } from './upload-store.ts';

const reasonLengthMax = 500;

/** Uploads of sealed updates. */
@Injectable()
export class UploadsService {
  readonly #environment: Environment;
  readonly #store: UploadStore;
  readonly #rounds: RoundStore;
  readonly #transitions: RoundTransitionsService;
  readonly #signed: SignedBySite;
  readonly #seals: RoundSealsService;
  readonly #tasks: TaskStore;
  readonly #audit: AuditService;
  readonly #admission: UploadAdmission;
  readonly #localAdapters: LocalAdaptersService;
  readonly #mutex = new KeyedMutex();

  constructor(
    environment: Environment,
    store: UploadStore,
    rounds: RoundStore,
    transitions: RoundTransitionsService,
    signed: SignedBySite,
    seals: RoundSealsService,
    tasks: TaskStore,
    audit: AuditService,
    admission: UploadAdmission,
    localAdapters: LocalAdaptersService,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#rounds = rounds;
    this.#transitions = transitions;
    this.#signed = signed;
    this.#seals = seals;
    this.#tasks = tasks;
    this.#audit = audit;
    this.#admission = admission;
    this.#localAdapters = localAdapters;
  }

  /** Begin an upload, or go on with it: tell which ranges are there already. */
  begin(
    site: SiteId,
    request: SiteRequest<'upload:begin'>,
  ): Promise<{ readonly received: [number, number][]; readonly isCommitted: boolean }> {
    return this.#mutex.run(request.uploadId, async () => {
      const { request: asked } = request;
      const domain = signDomains.manifest;
      const manifest =
        asked === undefined
          ? this.#signed.open(site, domain, request.manifest, manifestSchema)
          : null;
      const known = await this.#store.find(request.uploadId);
      if (known !== null) this.#checkSame(site, known, request);
      else if (manifest !== null) await this.#beginNew(site, request, manifest);
      else if (asked !== undefined)
        await this.#localAdapters.begin(site, { ...request, request: asked });
      if (known?.status === 'rejected') throw rejection(known);
      const ranges = await this.#store.ranges(request.uploadId);
      this.#admission.noteActivity(request.uploadId);
      return {
        received: intervals([...ranges.keys()].sort((a, b) => a - b)),
        isCommitted: known?.status === 'committed',
      };
    });
  }

  async #beginNew(
    site: SiteId,
    request: SiteRequest<'upload:begin'>,
    manifest: Manifest,
  ): Promise<void> {
    const round = await this.#signed.roundOf(manifest);
    await this.#checkManifest(site, request, manifest, round);
    await this.#admission.check(site, request.bytes, round);
    const { uploadId, bytes } = request;
    const event = { type: 'upload-begun', site, updateDigest: uploadId } as const;
    await this.#transitions.apply(round, event, async (transaction) => {
      await this.#store.insert(transaction, {
        uploadId,
        roundId: round.id,
        request: null,
        site,
        bytes,
        samples: manifest.samples,
        trainingLoss: manifest.trainingLoss,
        manifest: request.manifest,
      });
      await this.#audit.append(transaction, recordOf('upload.begun', round, { site, uploadId }));
    });
  }

  async #checkManifest(
    site: SiteId,
    request: SiteRequest<'upload:begin'>,
    manifest: Manifest,
    round: RoundRecord,
  ): Promise<void> {
    const { definition } = await this.#tasks.get(round.task);
    const shape = this.#tasks.shape(definition);
    const { layout } = shape;
    if (manifest.layoutHash !== layout.hash) {
      throw new InputError(
        'LAYOUT_MISMATCH',
        `upload:begin: expected layout ${layout.hash.slice(0, 16)}, the manifest names ${manifest.layoutHash.slice(0, 16)}; derive the layout from RoundOpen`,
      );
    }
    if (
      manifest.ciphertextDigest !== request.uploadId ||
      manifest.ciphertextBytes !== request.bytes
    ) {
      throw mismatch(site, 'digest and length of this upload, the manifest names others');
    }
    const bytesMax = updateBytesMax(shape);
    if (request.bytes > bytesMax) {
      throw new InputError(
        'PAYLOAD_TOO_LARGE',
        `upload:begin: expected at most ${bytesMax} bytes for this task, got ${request.bytes}; send exactly the trained tensors as float32`,
        { bytesMax, bytes: request.bytes },
      );
    }
    const declared = findMember(round, site)?.samples ?? null;
    if (declared !== null && manifest.samples > declared) {
      throw mismatch(
        site,
        `at most the ${declared} samples it accepted with, not ${manifest.samples}`,
      );
    }
  }

  #checkSame(site: SiteId, known: UploadRecord, request: SiteRequest<'upload:begin'>): void {
    if (known.site !== site) throw notYours(site);
    const isSame =
      known.bytes === request.bytes &&
      known.request === (request.request ?? null) &&
      toHex(known.manifestPayload) === toHex(request.manifest.payload);
    if (!isSame) throw mismatch(site, 'the manifest that this upload began with');
  }

  /** Store one range; returns once it is durable. */
  range(site: SiteId, request: SiteRequest<'upload:range'>): Promise<void> {
    const { uploadId, index, bytes } = request;
    return this.#mutex.run(uploadId, async () => {
      const upload = await this.#getOwn(site, uploadId);
      if (upload.status === 'rejected') throw rejection(upload);
      const offset = index * limits.rangeBytes;
      const expected = Math.min(limits.rangeBytes, upload.bytes - offset);
      if (expected <= 0 || bytes.length !== expected) {
        throw new InputError(
          'UPLOAD_RANGE_INVALID',
          `upload:range: expected ${Math.max(0, expected)} bytes at index ${index} of ${upload.bytes} in all, got ${bytes.length}; cut the file into ranges of ${limits.rangeBytes} bytes`,
          { index, expected: Math.max(0, expected), actual: bytes.length },
        );
      }
      const digest = toHex(blake2b256(bytes));
      const stored = (await this.#store.ranges(uploadId)).get(index);
      if (stored === digest) return;
      if (stored !== undefined || upload.status === 'committed') {
        throw new InputError(
          'UPLOAD_DIGEST_MISMATCH',
          `upload:range: expected the bytes that index ${index} had the first time, got others; send the outbox file as it is`,
          { index },
        );
      }
      this.#admission.noteActivity(uploadId);
      await this.#store.writeRange({ uploadId, index, offset, bytes, digest });
    });
  }

  /** Open, check and record an update; returns where the member stands then, null for what is of no round. */
  commit(site: SiteId, uploadId: string): Promise<MemberStatus | null> {
    return this.#mutex.run(uploadId, async () => {
      const upload = await this.#getOwn(site, uploadId);
      if (upload.status === 'rejected') throw rejection(upload);
      const isDone = upload.status === 'committed';
      if (!isDone) await this.#checkComplete(upload);
      if (upload.roundId === null) {
        if (!isDone) await this.#localAdapters.commit(upload);
        return null;
      }
      const round = await this.#rounds.get(upload.roundId);
      if (isDone) return memberStatus(round, site);
      const refused =
        (await this.#tooFewSamples(upload, round)) ??
        (await this.#environment.work.verifyUpdate({
          seal: await this.#seals.sealOf(round),
          update: this.#store.sealedUpdate(upload),
        }));
      if (refused?.code === 'UPLOAD_DIGEST_MISMATCH') {
        // The id is the digest: the bytes changed on their way, and the same upload can be sent again.
        await this.#store.discardRanges(uploadId);
        throw new RelayedError(refused.code, refused.message);
      }
      if (refused !== null) return this.#reject(upload, round, refused);
      const { crashPoints } = this.#environment;
      crashPoints.reach('coordinator.update-verified');
      const { samples } = upload;
      const event = { type: 'reported', site, updateDigest: uploadId, samples } as const;
      const outcome = await this.#transitions.apply(round, event, async (transaction) => {
        await this.#store.settle(transaction, uploadId, { status: 'committed' });
        await this.#audit.append(transaction, recordOf('upload.committed', round, upload));
      });
      crashPoints.reach('coordinator.update-stored');
      if (outcome.isChanged) this.#environment.metrics.updatesReceived.inc();
      this.#environment.logger.info('update taken', { site, task: round.task, round: round.round });
      return memberStatus(outcome.round, site);
    });
  }

  /** A site may find, while it trains, that it has fewer images than it accepted with. */
  async #tooFewSamples({ samples }: UploadRecord, round: RoundRecord) {
    const { rules } = await this.#tasks.definition(round.task);
    if (rules.samplesMinimum === undefined || samples >= rules.samplesMinimum) return null;
    const message = `upload:commit: expected an update of ${rules.samplesMinimum} training images or more, it is of ${samples}`;
    return { code: 'SAMPLES_TOO_FEW', message } as const;
  }

  async #reject(
    upload: UploadRecord,
    round: RoundRecord,
    refused: { readonly code: string; readonly message: string },
  ): Promise<never> {
    const { site, uploadId } = upload;
    const settled = {
      status: 'rejected',
      rejectionCode: refused.code,
      rejectionMessage: refused.message.slice(0, 2000),
    } as const;
    const reason = `${refused.code}: ${refused.message}`.slice(0, reasonLengthMax);
    const settle = async (transaction: Queries): Promise<void> => {
      await this.#store.settle(transaction, uploadId, settled);
      const record = recordOf('upload.rejected', round, upload, { code: refused.code });
      await this.#audit.append(transaction, record);
    };
    try {
      await this.#transitions.apply(round, { type: 'rejected', site, reason }, settle);
    } catch (error) {
      // A late update changes nothing of its round any more; it is refused all the same.
      if (!(error instanceof RelayedError)) throw error;
      await this.#environment.transactions.run(settle);
    }
    const { logger, metrics } = this.#environment;
    metrics.updatesRefused.inc({ code: isErrorCode(refused.code) ? refused.code : 'INTERNAL' });
    logger.warn('update rejected', {
      site,
      task: round.task,
      round: round.round,
      code: refused.code,
    });
    throw rejection({ ...upload, ...settled });
  }

  async #getOwn(site: SiteId, uploadId: string): Promise<UploadRecord> {
    const upload = await this.#store.find(uploadId);
    if (upload === null) {
      throw new StateError(
        'UPLOAD_UNKNOWN',
        `upload ${uploadId.slice(0, 16)}: expected an upload that was begun, it is unknown; begin it with upload:begin`,
      );
    }
    if (upload.site !== site) throw notYours(site);
    return upload;
  }

  async #checkComplete(upload: UploadRecord): Promise<void> {
    const stored = (await this.#store.ranges(upload.uploadId)).size;
    const expected = Math.ceil(upload.bytes / limits.rangeBytes);
    if (stored === expected) return;
    throw new StateError(
      'UPLOAD_INCOMPLETE',
      `upload:commit: expected all ${expected} ranges, ${stored} are stored; send the others first`,
      { expected, stored },
    );
  }
}

/** What the audit log says of an upload. */
function recordOf(
  action: string,
  { task, round, attempt }: RoundRecord,
  { site, uploadId }: Pick<UploadRecord, 'site' | 'uploadId'>,
  more: Readonly<Record<string, string>> = {},
): AuditRecord {
  const details = { round, attempt, uploadId, ...more };
  return { actor: `site:${site}`, action, target: `task:${task}`, details };
}

/** Join indices in ascending order into half-open intervals. */
export function intervals(indices: readonly number[]): [number, number][] {
  const joined: [number, number][] = [];
  for (const index of indices) {
    const last = joined.at(-1);
    if (last?.[1] === index) last[1] = index + 1;
    else joined.push([index, index + 1]);
  }
  return joined.slice(0, 1024);
}

function rejection(upload: Pick<UploadRecord, 'rejectionCode' | 'rejectionMessage'>): RelayedError {
  const { rejectionCode: code, rejectionMessage: message } = upload;
  return new RelayedError(
    isErrorCode(code) ? code : 'INTERNAL',
    message ?? 'update: it was refused',
  );
}

function mismatch(site: SiteId, what: string): ProtocolError {
  return new ProtocolError(
    'MANIFEST_MISMATCH',
    `upload:begin: expected ${what}; send the manifest that was signed for this ciphertext`,
    {},
    { sites: [site] },
  );
}

function notYours(site: SiteId): AuthError {
  return new AuthError('FORBIDDEN', `upload: expected an upload of site ${site}`);
}
