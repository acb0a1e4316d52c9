/**
 * The heavy work on adapters: making version 0, opening and checking an update, aggregating a round.
 *
 * Pure functions of data and of files that are only read, so that they run in a worker thread as well as in this one. Nothing
 * decrypted is ever stored: an aggregate takes what was opened at the commit from memory, or opens it again.
 */
import {
  adapterCard,
  adapterDigest,
  adapterLayout,
  decodeAdapterFile,
  decodeUpdate,
  encodeAdapterFile,
  initialAdapter,
  specificationOf,
  type AdapterCard,
  type AdapterLayout,
} from '#core/adapter';
import {
  aggregateRound,
  decodeState,
  encodeState,
  roundFigures,
  stateDigest,
  type AggregationState,
  type RoundFigures,
} from '#core/aggregation';
import { toHex } from '#core/bytes';
import { blake2b256, decryptAdapter, encryptAdapter, openUpdate } from '#core/crypto';
import { InputError, MeloError, ProtocolError, type ErrorCode } from '#core/errors';
import type { TaskDefinition } from '#core/protocol';
import { DurableFiles } from '../common/durable-files.ts';
import { OpenedUpdates } from './opened-updates.ts';

/** What the aggregation remembers after a version: encrypted like it, under the same content key. */
export interface MadeState {
  /** BLAKE2b-256 of the plaintext file. */
  readonly digest: string;
  readonly ciphertext: Uint8Array;
}

/** A version that was made: the file itself travels only encrypted. */
export interface MadeVersion {
  /** BLAKE2b-256 of the plaintext file. */
  readonly adapterDigest: string;
  readonly adapterBytes: number;
  readonly ciphertext: Uint8Array;
  /** Null where the task's aggregation remembers nothing, and for version 0. */
  readonly state: MadeState | null;
  /** What the round tells of its sites; null where it was not asked for, and for version 0. */
  readonly figures: RoundFigures | null;
}

/** What makes version 0. */
export interface InitialJob {
  readonly definition: TaskDefinition;
  readonly library: string;
  readonly contentKey: Uint8Array;
}

/** A sealed update that lies in a file, and what it must be. */
export interface SealedUpdate {
  readonly path: string;
  readonly site: string;
  /** BLAKE2b-256 and length of the ciphertext, as the signed manifest states. */
  readonly ciphertextDigest: string;
  readonly ciphertextBytes: number;
  /** The manifest's ephemeral key, hexadecimal: the ciphertext must begin with it. */
  readonly ephemeralPublicKey: string;
}

/** The round that updates were sealed for. */
export interface RoundSeal {
  readonly definition: TaskDefinition;
  readonly federation: string;
  readonly round: number;
  readonly attempt: number;
  readonly openDigest: string;
  readonly trainedTensors: readonly string[];
  readonly roundPublicKey: Uint8Array;
  readonly roundSecretKey: Uint8Array;
}

/** What checks one update. */
export interface VerifyJob {
  readonly seal: RoundSeal;
  readonly update: SealedUpdate;
}

/** Why an update is refused. */
export interface UpdateRejection {
  readonly code: ErrorCode;
  readonly message: string;
}

/** A stored file: where its ciphertext lies, the digest of its plaintext, and its key. */
export interface StoredFile {
  readonly path: string;
  readonly digest: string;
  readonly contentKey: Uint8Array;
}

/** What makes version k from version k - 1 and the members' updates. */
export interface AggregateJob {
  readonly seal: RoundSeal;
  readonly library: string;
  readonly updates: readonly (SealedUpdate & {
    readonly weight: number;
    readonly samples: number;
  })[];
  readonly global: StoredFile;
  /** What the aggregation remembers after the version that the round starts from; null where that is nothing. */
  readonly state: StoredFile | null;
  /** Whether the figures of the round are wanted. */
  readonly isMeasured: boolean;
  /** Fresh key of the new version. */
  readonly contentKey: Uint8Array;
}

/** What makes a file of the adapter that a site trained alone. */
export interface AloneJob {
  readonly seal: RoundSeal;
  readonly update: SealedUpdate;
  /** Version 0, which it was trained from. */
  readonly global: StoredFile;
  readonly library: string;
  readonly contentKey: Uint8Array;
}

/** Where the heavy work is done. */
export interface AdapterWork {
  makeInitial(job: InitialJob): Promise<MadeVersion>;
  /** Return why the update is refused, or null where it is good. */
  verifyUpdate(job: VerifyJob): Promise<UpdateRejection | null>;
  aggregate(job: AggregateJob): Promise<MadeVersion>;
  makeAlone(job: AloneJob): Promise<MadeVersion>;
  close(): Promise<void>;
}

/** What the work is done with. */
export interface WorkBench {
  readonly opened: OpenedUpdates;
  readonly files: DurableFiles;
}

const aggregationArithmetic = 'float64 sums in site order';

function finish(
  file: Uint8Array,
  contentKey: Uint8Array,
  aggregated: Pick<MadeVersion, 'state' | 'figures'> = { state: null, figures: null },
): MadeVersion {
  return {
    adapterDigest: adapterDigest(file),
    adapterBytes: file.length,
    ciphertext: encryptAdapter({ plaintext: file, contentKey }),
    ...aggregated,
  };
}

async function readStored(
  { path, contentKey, digest }: StoredFile,
  files: DurableFiles,
): Promise<Uint8Array> {
  return decryptAdapter({ ciphertext: await files.read(path), contentKey, digest });
}

/** Make version 0: A from the public seed, B and head zero. */
export function makeInitial(job: InitialJob): MadeVersion {
  const { definition, library } = job;
  const specification = specificationOf(definition);
  const card = adapterCard({
    definition,
    version: 0,
    parentDigest: null,
    round: null,
    members: [],
    software: { library, engine: 'public seed' },
  });
  const values = initialAdapter(specification, definition.publicSeed);
  return finish(encodeAdapterFile({ specification, values, card }), job.contentKey);
}

/** Open a sealed update and check everything about it; the delta is flat, (P) in layout order. */
async function openSealedUpdate(
  seal: RoundSeal,
  update: SealedUpdate,
  files: DurableFiles,
): Promise<Float32Array> {
  const ciphertext = await files.read(update.path);
  if (
    ciphertext.length !== update.ciphertextBytes ||
    toHex(blake2b256(ciphertext)) !== update.ciphertextDigest
  ) {
    throw new InputError(
      'UPLOAD_DIGEST_MISMATCH',
      `update of ${update.site}: expected ${update.ciphertextBytes} bytes with the digest that names the upload, got others; begin the upload again and send every range at its own index`,
    );
  }
  if (toHex(ciphertext.subarray(0, 32)) !== update.ephemeralPublicKey) {
    throw new ProtocolError(
      'MANIFEST_MISMATCH',
      `update of ${update.site}: expected the ephemeral key that the manifest names, the ciphertext begins with another; sign the manifest of this ciphertext`,
      {},
      { sites: [update.site] },
    );
  }
  const { definition, federation, round, attempt } = seal;
  const layout = adapterLayout(specificationOf(definition));
  const bytes = openUpdate({
    ciphertext,
    roundKeyPair: { publicKey: seal.roundPublicKey, secretKey: seal.roundSecretKey },
    roundOpenDigest: seal.openDigest,
    context: {
      federation,
      task: definition.task,
      round,
      attempt,
      site: update.site,
      layoutHash: layout.hash,
    },
  });
  return decodeUpdate({ bytes, layout, trainedTensors: seal.trainedTensors, site: update.site });
}

const openedKey = (seal: RoundSeal, update: SealedUpdate): string =>
  `${seal.openDigest}/${update.ciphertextDigest}`;

/** Check one update and hold what it says; only what the site is to blame for is a rejection. */
export async function verifyUpdate(
  job: VerifyJob,
  { opened, files }: WorkBench,
): Promise<UpdateRejection | null> {
  const { seal, update } = job;
  try {
    opened.hold(openedKey(seal, update), await openSealedUpdate(seal, update, files));
    return null;
  } catch (error) {
    if (!(error instanceof MeloError)) throw error;
    const { family } = error.catalogEntry;
    if (family !== 'input' && family !== 'protocol') throw error;
    return { code: error.code, message: error.message };
  }
}

/** Aggregate a round: the same bytes of the file whatever the order of `updates`. */
export async function aggregate(
  job: AggregateJob,
  { opened, files }: WorkBench,
): Promise<MadeVersion> {
  const { seal, global, library, contentKey } = job;
  const { specification, values, layout } = decodeAdapterFile(await readStored(global, files));
  const state = job.state === null ? null : decodeState(layout, await readStored(job.state, files));
  const updates = [];
  for (const update of job.updates) {
    const delta =
      opened.take(openedKey(seal, update)) ?? (await openSealedUpdate(seal, update, files));
    updates.push({ site: update.site, weight: update.weight, delta });
  }
  const { definition, round } = seal;
  const { aggregation: plan } = definition;
  const { trainedTensors } = seal;
  const input = { plan, layout, trainedTensors, global: values, updates };
  const next = aggregateRound({ ...input, state });
  const card: AdapterCard = adapterCard({
    definition,
    version: round,
    parentDigest: global.digest,
    round,
    members: job.updates.map(({ site, weight, samples }) => ({ site, weight, samples })),
    software: { library, engine: aggregationArithmetic },
  });
  return finish(encodeAdapterFile({ specification, values: next.values, card }), contentKey, {
    state: next.state === null ? null : keepState(layout, next.state, contentKey),
    figures: job.isMeasured ? roundFigures({ ...input, combined: next.combined }) : null,
  });
}

/** Make the file of an adapter that a site trained alone: its card is that of version 0 and does not say whose it is. */
export async function makeAlone(
  { seal, update, global, library, contentKey }: AloneJob,
  { opened, files }: WorkBench,
): Promise<MadeVersion> {
  const { specification, values, card } = decodeAdapterFile(await readStored(global, files));
  const delta =
    opened.take(openedKey(seal, update)) ?? (await openSealedUpdate(seal, update, files));
  const file = encodeAdapterFile({
    specification,
    values: values.map((value, at) => value + (delta[at] ?? 0)),
    card: { ...card, software: { library, engine: 'trained by one site alone' } },
  });
  return finish(file, contentKey);
}

function keepState(
  layout: AdapterLayout,
  state: AggregationState,
  contentKey: Uint8Array,
): MadeState {
  const file = encodeState(layout, state);
  return {
    digest: stateDigest(file),
    ciphertext: encryptAdapter({ plaintext: file, contentKey }),
  };
}

/** The heavy work done in this thread: for tests and for layouts that are small. */
export const inProcessWork = (files = new DurableFiles()): AdapterWork => {
  const bench = { opened: new OpenedUpdates(), files };
  return {
    makeInitial: (job) => Promise.resolve(makeInitial(job)),
    verifyUpdate: (job) => verifyUpdate(job, bench),
    aggregate: (job) => aggregate(job, bench),
    makeAlone: (job) => makeAlone(job, bench),
    close: () => Promise.resolve(),
  };
};
