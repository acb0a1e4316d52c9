/**
 * Adapters that sites trained alone and let out for the others to evaluate: taken as updates are, kept as versions are, but never one.
 *
 * The coordinator opens what a site sealed to the request's key, checks it as an update, and encrypts the file anew for the sites that
 * are asked about it; nobody else can fetch it, and it goes when the retention of uploads ends.
 */
import { Injectable } from '@nestjs/common';
import { fromHex } from '#core/bytes';
import { envelopeDigest, signDomains, unwrapSecret, wrapSecret } from '#core/crypto';
import { InputError, isErrorCode, ProtocolError, RelayedError, StateError } from '#core/errors';
import {
  baselineManifestSchema,
  baselineSealRound,
  decodePayload,
  evaluationDeadlineMsDefault,
  evaluationRequestSchema,
  type BaselineManifest,
  type SiteId,
  type SiteRequest,
} from '#core/protocol';
import { AuditService } from '../audit/audit.service.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import { libraryName } from '../common/package-info.ts';
import { BlobStore } from '../registry/blob-store.ts';
import { VersionsService } from '../registry/versions.service.ts';
import type { RoundSeal, UpdateRejection } from '../rounds/adapter-work.ts';
import { SignedBySite } from '../rounds/signed-by-site.ts';
import { ConnectionsService } from '../sites/connections.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { UploadAdmission } from '../uploads/upload-admission.service.ts';
import { updateBytesMax } from '../uploads/update-size.ts';
import { UploadStore, type UploadRecord } from '../uploads/upload-store.ts';
import { EvaluationRequestStore, type RequestRecord } from './evaluation-request-store.ts';
import { EvaluationRequestsService } from './evaluation-requests.service.ts';
import { crossKeyPurpose, uploadKeyPurpose } from './local-adapter-keys.ts';

type BaselineBegin = SiteRequest<'upload:begin'> & { readonly request: string };

/** What a site's part in a request for adapters is. */
const part = (site: SiteId) => ({ site, version: 0 }) as const;

/** Adapters that sites trained alone. */
@Injectable()
export class LocalAdaptersService {
  readonly #environment: Environment;
  readonly #store: EvaluationRequestStore;
  readonly #requests: EvaluationRequestsService;
  readonly #uploads: UploadStore;
  readonly #admission: UploadAdmission;
  readonly #signed: SignedBySite;
  readonly #tasks: TaskStore;
  readonly #versions: VersionsService;
  readonly #blobs: BlobStore;
  readonly #audit: AuditService;
  readonly #connections: ConnectionsService;
  readonly #mutex = new KeyedMutex();

  constructor(
    environment: Environment,
    store: EvaluationRequestStore,
    requests: EvaluationRequestsService,
    uploads: UploadStore,
    admission: UploadAdmission,
    signed: SignedBySite,
    tasks: TaskStore,
    versions: VersionsService,
    blobs: BlobStore,
    audit: AuditService,
    connections: ConnectionsService,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#requests = requests;
    this.#uploads = uploads;
    this.#admission = admission;
    this.#signed = signed;
    this.#tasks = tasks;
    this.#versions = versions;
    this.#blobs = blobs;
    this.#audit = audit;
    this.#connections = connections;
  }

  /**
   * Begin the upload of a site's adapter; one that the site began before and never ended makes room for it.
   *
   * @throws StateError STATE_CONFLICT where nothing is asked of the site any more; InputError PAYLOAD_TOO_LARGE, LAYOUT_MISMATCH,
   *   QUOTA_EXCEEDED; ProtocolError MANIFEST_MISMATCH; UnavailableError DISK_LOW
   */
  begin(site: SiteId, begun: BaselineBegin): Promise<void> {
    const { request, uploadId, bytes } = begun;
    return this.#mutex.run(`${request}/${site}`, async () => {
      const domain = signDomains.baselineManifest;
      const manifest = this.#signed.open(site, domain, begun.manifest, baselineManifestSchema);
      const record = await this.#asking(site, request);
      await this.#check(record, begun, manifest);
      for (const earlier of await this.#uploads.openOfRequest(request, site))
        await this.#uploads.remove(earlier.uploadId);
      await this.#admission.checkRoom(site, bytes);
      await this.#environment.transactions.run(async (transaction) => {
        await this.#uploads.insert(transaction, {
          ...{ uploadId, request, site, bytes, manifest: begun.manifest },
          ...{ roundId: null, samples: 0, trainingLoss: 0 },
        });
        await this.#audit.append(
          transaction,
          recordOf('baseline.upload-begun', record, begun, site),
        );
      });
    });
  }

  /** The open request that still waits for a site's adapter. */
  async #asking(site: SiteId, name: string | null): Promise<RequestRecord> {
    const record = (await this.#store.open()).find(({ request }) => request === name);
    const isAsked = record?.items.some((item) => item.site === site && item.state === 'asked');
    if (record?.subject === 'baseline-upload' && isAsked === true) return record;
    throw new StateError(
      'STATE_CONFLICT',
      `upload of a local adapter: expected a request that waits for it of site ${site}, ${name ?? 'none'} is not one or no more; ask again with evaluation:get`,
    );
  }

  async #check(
    record: RequestRecord,
    { request, uploadId, bytes }: BaselineBegin,
    manifest: BaselineManifest,
  ): Promise<void> {
    const shape = this.#tasks.shape(await this.#tasks.definition(record.task));
    const bytesMax = updateBytesMax(shape);
    if (manifest.layoutHash !== shape.layout.hash) {
      throw new InputError(
        'LAYOUT_MISMATCH',
        `upload:begin: expected layout ${shape.layout.hash.slice(0, 16)}, the manifest names ${manifest.layoutHash.slice(0, 16)}; derive the layout from version 0`,
      );
    }
    const isSame =
      manifest.request === request &&
      manifest.task === record.task &&
      manifest.requestDigest === digestOf(record) &&
      manifest.ciphertextDigest === uploadId &&
      manifest.ciphertextBytes === bytes;
    if (!isSame) {
      throw new ProtocolError(
        'MANIFEST_MISMATCH',
        'upload:begin: expected task, request, digest and length of this upload, the manifest names others; send the manifest that was signed for this ciphertext',
        {},
        { sites: [manifest.site] },
      );
    }
    if (bytes <= bytesMax) return;
    throw new InputError(
      'PAYLOAD_TOO_LARGE',
      `upload:begin: expected at most ${bytesMax} bytes for this task, got ${bytes}; send exactly the trained tensors as float32`,
      { bytesMax, bytes },
    );
  }

  /** Open, check and keep a site's adapter whose ranges are all there, and ask every member to evaluate it. */
  async commit(upload: UploadRecord): Promise<void> {
    const { site, uploadId } = upload;
    const record = await this.#asking(site, upload.request);
    const { task } = record;
    const definition = await this.#tasks.definition(task);
    const { work, transactions, keys, files, logger } = this.#environment;
    const job = { seal: await this.#sealOf(record), update: this.#uploads.sealedUpdate(upload) };
    const refused = await work.verifyUpdate(job);
    if (refused !== null) return this.#reject(upload, record, refused);
    const contentKey = this.#versions.freshContentKey();
    const global = this.#versions.stored(await this.#versions.get(task, 0));
    const made = await work.makeAlone({ ...job, global, library: libraryName, contentKey });
    const { adapterDigest, ciphertext } = made;
    const adapter = {
      ...{ owner: site, ciphertextBytes: ciphertext.length },
      ciphertextDigest: await this.#blobs.put(ciphertext),
      wrappedKey: wrapSecret({
        secret: contentKey,
        wrappingKey: keys.wrappingKey,
        purpose: crossKeyPurpose(task, site),
      }),
    };
    const asked = {
      ...({ subject: 'cross', baseline: null } as const),
      versions: [{ version: 0, adapterDigest }],
      sites: [...definition.members].sort(),
      deadlineMs: definition.evaluationDeadlineMs ?? evaluationDeadlineMsDefault,
      reason: 'the task asks for local adapters to be evaluated across its sites',
    };
    await transactions.run(async (transaction) => {
      await this.#uploads.settle(transaction, uploadId, { status: 'committed' });
      await this.#requests.markDone(transaction, [record.request], part(site));
      const more = { adapterDigest };
      await this.#audit.append(
        transaction,
        recordOf('baseline.uploaded', record, upload, site, more),
      );
      await this.#requests.insert(transaction, task, asked, adapter);
    });
    await files.remove(this.#uploads.path(uploadId)); // what a crash leaves is removed at the start
    logger.info('local adapter taken', { site, task });
    this.#connections.announce();
    this.#requests.settleSoon();
  }

  async #sealOf(record: RequestRecord): Promise<RoundSeal> {
    const { task, payload, wrappedKey } = record;
    const asked = decodePayload(evaluationRequestSchema, payload, 'stored request');
    if (wrappedKey === null || asked.baseline === null || asked.uploadPublicKey === undefined)
      throw new StateError(
        'STATE_CONFLICT',
        'upload of a local adapter: its key is erased; drop it',
      );
    return {
      definition: await this.#tasks.definition(task),
      federation: this.#environment.federation,
      ...baselineSealRound,
      openDigest: digestOf(record),
      trainedTensors: asked.baseline.trainedTensors,
      roundPublicKey: fromHex(asked.uploadPublicKey),
      roundSecretKey: unwrapSecret({
        wrapped: wrappedKey,
        wrappingKey: this.#environment.keys.wrappingKey,
        purpose: uploadKeyPurpose(task),
      }),
    };
  }

  async #reject(
    upload: UploadRecord,
    record: RequestRecord,
    { code, message }: UpdateRejection,
  ): Promise<never> {
    const { site, uploadId } = upload;
    if (code === 'UPLOAD_DIGEST_MISMATCH') {
      // The id is the digest: the bytes changed on their way, and the same upload can be sent again.
      await this.#uploads.discardRanges(uploadId);
      throw new RelayedError(code, message);
    }
    await this.#environment.transactions.run(async (transaction) => {
      await this.#uploads.settle(transaction, uploadId, {
        ...{ status: 'rejected', rejectionCode: code, rejectionMessage: message.slice(0, 2000) },
      });
      const to = { state: 'declined', code, reason: message.slice(0, 500) } as const;
      await this.#store.settle(transaction, record.request, part(site), to);
      await this.#audit.append(
        transaction,
        recordOf('upload.rejected', record, upload, site, { code }),
      );
    });
    await this.#environment.files.remove(this.#uploads.path(uploadId));
    this.#requests.settleSoon();
    throw new RelayedError(isErrorCode(code) ? code : 'INTERNAL', message);
  }

  /** Read a range of an adapter that a site is asked to evaluate at this moment, or of a version that it may see. */
  async rangeFor(
    site: SiteId,
    { digest, offset, length }: SiteRequest<'blob:get'>,
  ): Promise<Uint8Array> {
    const isAsked = (await this.#store.open()).some(
      ({ ciphertextDigest, items }) =>
        ciphertextDigest === digest &&
        items.some((item) => item.site === site && item.state === 'asked'),
    );
    if (isAsked) return this.#blobs.range(digest, offset, length);
    return this.#versions.rangeFor(site, digest, offset, length);
  }

  /** Erase adapters, uploads and keys of requests that were closed by then, at once where the site that trained it is gone. */
  async eraseDue(closedBeforeMs: number): Promise<void> {
    const { files, transactions, logger } = this.#environment;
    const isGone = (owner: string): boolean => this.#requests.isGone(owner);
    for (const record of await this.#store.retained(closedBeforeMs, isGone)) {
      const { request, task, owner, ciphertextDigest } = record;
      for (const { uploadId } of await this.#uploads.openOfRequest(request))
        await this.#uploads.remove(uploadId);
      if (ciphertextDigest !== null) await files.remove(this.#blobs.path(ciphertextDigest));
      await transactions.run(async (transaction) => {
        await this.#store.forgetKey(transaction, request);
        if (owner === null) return;
        await this.#audit.append(transaction, {
          actor: 'coordinator',
          action: 'baseline.erased',
          target: `task:${task}`,
          details: { request, owner },
        });
      });
      logger.info('local adapter or its upload key erased', { task });
    }
  }
}

const digestOf = ({ payload }: RequestRecord): string =>
  envelopeDigest(signDomains.evaluationRequest, payload);

/** What the audit log says of the upload of a site's adapter. */
function recordOf(
  action: string,
  { task, request }: RequestRecord,
  { uploadId }: { readonly uploadId: string },
  site: SiteId,
  more: Readonly<Record<string, string>> = {},
) {
  const details = { request, uploadId, ...more };
  return { actor: `site:${site}`, action, target: `task:${task}`, details };
}
