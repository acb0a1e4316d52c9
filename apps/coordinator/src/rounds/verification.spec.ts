/** Rounds recomputed from what is stored, and what is found where that was changed. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { adapterLayout, specificationOf } from '#core/adapter';
import { rounds, uploads, versions } from '../config/schema.ts';
import { tinyBackbone } from '../testing/fake-site.ts';
import { Harness, taskOf } from '../testing/harness.ts';
import { roundRoutes, type VerificationView } from './rounds.contract.ts';

const { size } = adapterLayout(
  specificationOf({ rank: 2, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone }),
);
let harness: Harness;
const uploadIds: string[] = [];

beforeAll(async () => {
  harness = await Harness.start();
  for (const name of ['north', 'south']) await harness.join(name);
  await harness.createTask(taskOf({ rounds: 2, members: ['north', 'south'] }));
  for (const round of [1, 2]) {
    for (const site of harness.sites.values()) {
      const delta = Float32Array.from({ length: size }, (_, index) => Math.sin(index * round));
      uploadIds.push((await site.takePart('chest', delta, 100 * round)).uploadId);
    }
    await harness.untilVersion('chest', round);
  }
  const body = {
    fromVersion: 1,
    rounds: 2,
    reason: 'a check of a base that is not the version before',
  };
  await harness.request('POST', '/v1/tasks/chest/rerun', body);
  for (const site of harness.sites.values()) {
    uploadIds.push((await site.takePart('chest', new Float32Array(size).fill(2), 50)).uploadId);
  }
  await harness.untilVersion('chest', 3);
});
afterAll(() => harness.stop());

const verify = async (round: number): Promise<VerificationView> =>
  roundRoutes.verify.response.parse(
    await harness.request('GET', `/v1/tasks/chest/rounds/${round}/verification`),
  );
const verdicts = ({ checks }: VerificationView): Record<string, boolean> =>
  Object.fromEntries(checks.map(({ name, isGood }) => [name, isGood]));

/** Change a file while `work` looks, then put it back. */
async function whileChanged(path: string, work: () => Promise<void>): Promise<void> {
  const bytes = await readFile(path);
  const changed = Buffer.from(bytes);
  changed[40] = (changed[40] ?? 0) ^ 1;
  await writeFile(path, changed);
  try {
    await work();
  } finally {
    await writeFile(path, bytes);
  }
}

test('every round gives the version that was signed, also one that was run again', async () => {
  for (const round of [1, 2, 3]) {
    const view = await verify(round);
    expect(view).toMatchObject({ scope: 'recomputed', isGood: true });
    expect(view.recomputedDigest).toBe(view.signedDigest);
    expect(verdicts(view)).toEqual({ chain: true, file: true, recomputation: true });
  }
});

test('a stored update that was changed is found', async () => {
  await whileChanged(join(harness.folder, 'uploads', uploadIds[2] ?? ''), async () => {
    const view = await verify(2);
    expect(view).toMatchObject({ isGood: false, recomputedDigest: null });
    expect(verdicts(view)).toEqual({ chain: true, file: true, recomputation: false });
    expect(view.checks[2]?.detail).toContain('UPLOAD_DIGEST_MISMATCH: update of north');
    expect((await verify(1)).isGood).toBe(true);
  });
});

test('a stored blob that was changed is found: of the version, and of the one it starts from', async () => {
  const { results } = (await harness.sites.get('north')?.ask('round:get', { known: [] })) ?? {};
  const ciphertextDigest = results?.[0]?.adapter.ciphertextDigest ?? '';
  const path = join(harness.folder, 'blobs', ciphertextDigest.slice(0, 2), ciphertextDigest);
  await whileChanged(path, async () => {
    expect(verdicts(await verify(1))).toMatchObject({ chain: true, file: false });
    expect(verdicts(await verify(3))).toMatchObject({ chain: true, recomputation: false });
  });
});

test('rows that were changed are found; after retention the chain alone is checked, and that is said', async () => {
  await harness.tamper(async (queries) => {
    await queries.delete(uploads).where(eq(uploads.uploadId, uploadIds[0] ?? ''));
    await queries.update(rounds).set({ wrappedSecretKey: null }).where(eq(rounds.round, 2));
    const isThird = eq(versions.version, 3);
    const [row] = await queries.select().from(versions).where(isThird);
    const text = Buffer.from(row?.resultPayload ?? []).toString('utf8');
    const resultPayload = new Uint8Array(Buffer.from(text.replace('"samples":50', '"samples":90')));
    await queries.update(versions).set({ resultPayload }).where(isThird);
  });
  expect(verdicts(await verify(1))).toEqual({ chain: true, file: true, recomputation: false });
  const second = await verify(2);
  expect(second).toMatchObject({ scope: 'chain', isGood: true, recomputedDigest: null });
  expect(verdicts(second)).toEqual({ chain: true, file: true });
  const third = await verify(3);
  expect(third).toMatchObject({ isGood: false, signedDigest: null, recomputedDigest: null });
  expect(third.checks[0]?.detail).toContain('SIGNATURE_INVALID');
});

test('a round without a version is no matter of checking', async () => {
  const codes = [];
  for (const round of [4, 9]) {
    const answer = await harness.raw('GET', `/v1/tasks/chest/rounds/${round}/verification`);
    codes.push(await answer.json());
  }
  expect(codes).toMatchObject([{ code: 'STATE_CONFLICT' }, { code: 'ROUND_NOT_FOUND' }]);
});
