/** Uploads and downloads over a link that breaks: nothing the other side has is sent again. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { toHex } from '#core/bytes';
import { blake2b256, generateSigningKeyPair } from '#core/crypto';
import { limits, siteCommands, siteIdSchema } from '#core/protocol';
import { silentLogger } from '../common/events.ts';
import { FakeCoordinator, refusal } from '../testing/fake-coordinator.ts';
import { FakeUploads } from '../testing/fake-uploads.ts';
import { CoordinatorConnection } from './connection.ts';
import { downloadBlob } from './download.ts';
import { missingRanges, uploadSealed, type SealedUpload } from './upload.ts';

const site = siteIdSchema.parse('north');
const keys = generateSigningKeyPair();
const ciphertext = new Uint8Array(5 * limits.rangeBytes + 17).map((_, index) => index % 251);
const upload: SealedUpload = {
  uploadId: toHex(blake2b256(ciphertext)),
  ciphertext,
  manifest: { payload: new Uint8Array(3), signature: new Uint8Array(64) },
};
/** Jest's own comparison takes seconds for a megabyte. */
const expectSameBytes = (bytes: Uint8Array | undefined): void => {
  expect(Buffer.compare(bytes ?? new Uint8Array(0), ciphertext)).toBe(0);
};

let coordinator: FakeCoordinator;
let uploads: FakeUploads;
let connection: CoordinatorConnection;

beforeEach(async () => {
  coordinator = new FakeCoordinator();
  coordinator.sites.set(site, keys.publicKey);
  uploads = new FakeUploads(coordinator);
  await coordinator.start();
  connection = new CoordinatorConnection({
    url: coordinator.url,
    federation: coordinator.federation,
    site,
    signingSecretKey: keys.secretKey,
    coordinatorPublicKey: coordinator.signing.publicKey,
    certificateAuthority: null,
    acknowledgementTimeoutMs: 5000,
    backoff: { minimumMs: 5, maximumMs: 20 },
    slowRetryMs: 50,
    transports: ['websocket'],
    emit: () => undefined,
    logger: silentLogger,
  });
  connection.start();
});

afterEach(async () => {
  await connection.stop();
  await coordinator.stop();
});

test('missing ranges are exactly those that no interval covers', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), (isThere) => {
      const received = isThere.flatMap((has, index): [number, number][] =>
        has ? [[index, index + 1]] : [],
      );
      const expected = isThere.flatMap((has, index) => (has ? [] : [index]));
      expect(missingRanges(isThere.length, received)).toEqual(expected);
    }),
  );
});

test('a whole upload arrives byte by byte', async () => {
  const outcome = await uploadSealed(connection, upload);
  expect(outcome).toEqual({
    bytesSent: ciphertext.length,
    bytesStored: ciphertext.length,
    resumedFromRange: 0,
    status: 'reported',
  });
  expectSameBytes(uploads.committed.get(upload.uploadId));
});

test('after a cut only the ranges that are missing are sent', async () => {
  uploads.cutAfter = 3;
  const outcome = await uploadSealed(connection, upload);
  expect(outcome.status).toBe('reported');
  expectSameBytes(uploads.committed.get(upload.uploadId));
  expect([...uploads.arrived].sort()).toEqual([0, 1, 2, 3, 4, 5]); // none twice
});

test('an upload that the coordinator forgot is begun again', async () => {
  let isForgotten = true;
  const store = coordinator.handlers.get('upload:range');
  coordinator.handlers.set('upload:range', (request, from) => {
    if (!isForgotten) return store?.(request, from) ?? refusal('INTERNAL');
    isForgotten = false;
    return refusal('UPLOAD_UNKNOWN', true);
  });
  await uploadSealed(connection, upload, { retryDelayMs: 5 });
  expect(coordinator.requestsOf('upload:begin')).toHaveLength(2);
});

test('a coordinator without room is asked a bounded number of times', async () => {
  coordinator.handlers.set('upload:range', () => refusal('DISK_FULL', true));
  const uploading = uploadSealed(connection, upload, { retryDelayMs: 1 });
  await expect(uploading).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(coordinator.requestsOf('upload:begin')).toHaveLength(5);
});

test('a refusal for good ends the upload with the code of the coordinator', async () => {
  coordinator.handlers.set('upload:begin', () => refusal('ROUND_CLOSED'));
  await expect(uploadSealed(connection, upload)).rejects.toMatchObject({ code: 'ROUND_CLOSED' });
});

test('one that was committed before sends nothing', async () => {
  uploads.committed.set(upload.uploadId, ciphertext);
  const outcome = await uploadSealed(connection, upload);
  expect(outcome).toMatchObject({ bytesSent: 0, resumedFromRange: 0, status: null });
});

describe('downloads', () => {
  const blob = { digest: upload.uploadId, bytes: ciphertext.length };
  const keep = (bytes: Uint8Array): Uint8Array => bytes;
  let directory: string;
  let partialPath: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'melo-download-'));
    partialPath = join(directory, 'blob.part');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** Offsets that were asked for. */
  const offsets = (): number[] =>
    coordinator
      .requestsOf('blob:get')
      .map((raw) => siteCommands['blob:get'].request.parse(raw).offset);

  function serveBlob(change: (bytes: Uint8Array, offset: number) => Uint8Array, cutAt: number) {
    let requests = 0;
    coordinator.handlers.set('blob:get', (raw) => {
      const { offset, length } = siteCommands['blob:get'].request.parse(raw);
      requests += 1;
      if (requests === cutAt) {
        coordinator.cut();
        return new Promise(() => undefined);
      }
      return {
        ok: true,
        bytes: Buffer.from(change(ciphertext.slice(offset, offset + length), offset)),
      };
    });
  }

  test('one goes on after a cut, repeats what was under way at most, and has the digest', async () => {
    serveBlob(keep, 4);
    const done: number[] = [];
    const onProgress = (bytes: number): void => void done.push(bytes);
    expectSameBytes(await downloadBlob(connection, blob, { partialPath, onProgress }));
    expect(offsets().length).toBeLessThanOrEqual(6 + limits.rangesUnderWayMax);
    expect(done.at(-1)).toBe(ciphertext.length);
    expect(done).toEqual([...done].sort((a, b) => a - b));
  });

  test('another process goes on with the partial file, from the first range that is missing', async () => {
    await writeFile(partialPath, ciphertext.subarray(0, 3 * limits.rangeBytes + 5));
    serveBlob(keep, -1);
    expectSameBytes(await downloadBlob(connection, blob, { partialPath }));
    expect(offsets()).toEqual([3, 4, 5].map((index) => index * limits.rangeBytes + 5));
  });

  test('what is whole on disk needs no network', async () => {
    await writeFile(partialPath, ciphertext);
    expectSameBytes(await downloadBlob(connection, blob, { partialPath }));
    expect(offsets()).toEqual([]);
  });

  test.each([
    ['torn', new Uint8Array(2 * limits.rangeBytes)],
    ['longer than the blob', new Uint8Array(ciphertext.length + 1)],
  ])('a partial file that is %s is fetched again as a whole', async (_what, bytes) => {
    await writeFile(partialPath, bytes);
    serveBlob(keep, -1);
    expectSameBytes(await downloadBlob(connection, blob, { partialPath }));
    expect(
      offsets()
        .slice(-6)
        .sort((a, b) => a - b),
    ).toEqual([0, 1, 2, 3, 4, 5].map((index) => index * limits.rangeBytes));
  });

  test('a blob with other bytes is refused, and nothing of it stays', async () => {
    serveBlob((bytes, offset) => (offset === 0 ? bytes.fill(9, 0, 1) : bytes), -1);
    await expect(downloadBlob(connection, blob, { partialPath })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(await readdir(directory)).toEqual([]);
  });

  test('a range of another length is refused', async () => {
    serveBlob((bytes) => bytes.subarray(1), -1);
    await expect(downloadBlob(connection, blob, { partialPath })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });
});
