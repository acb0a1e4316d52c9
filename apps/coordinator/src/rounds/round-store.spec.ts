/** What the store holds of open attempts follows the commits, and a second writer cannot slip in between. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { plannedRound, reduceRound, siteIdSchema, type RoundEvent } from '#core/protocol';
import type { Environment } from '../common/environment.ts';
import { roundEvents, rounds } from '../config/schema.ts';
import { openEnvironment } from '../testing/spec-environment.ts';
import { RoundStore, type RoundRecord } from './round-store.ts';

const site = siteIdSchema.parse('north');
const bytes = new Uint8Array([1]);

describe('the store of rounds', () => {
  let path: string;
  let environment: Environment;
  let store: RoundStore;
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'melo-rounds-'));
    environment = await openEnvironment(path);
    store = new RoundStore(environment);
  }, 120_000);
  afterAll(async () => {
    await environment.database.close();
    await rm(path, { recursive: true });
  });

  const openRound = (task: string): Promise<RoundRecord> =>
    environment.transactions.run(async (transaction) => {
      const state = plannedRound({ members: [site], quorumSites: 1, quorumSampleShare: 0 });
      const inserted = await store.insert(transaction, {
        ...{ task, round: 1, attempt: 1, baseVersion: 0, state, openDigest: 'ab'.repeat(32) },
        ...{ open: { payload: bytes, signature: bytes }, wrappedSecretKey: bytes },
        ...{ roundPublicKey: 'cd'.repeat(32), openedAtMs: 1, deadlineAtMs: 1000 },
      });
      return store.advance(transaction, inserted, ...next(inserted, opened));
    });
  const opened: RoundEvent = { type: 'opened', deadlineAtMs: 1000 };
  const accepted: RoundEvent = { type: 'accepted', site, samples: 3 };
  const next = (record: RoundRecord, event: RoundEvent) => {
    const transition = reduceRound(record.state, event);
    if (transition.kind !== 'changed') throw new Error('expected the event to apply');
    return [[event], transition.state] as const;
  };
  const apply = (record: RoundRecord, event: RoundEvent): Promise<RoundRecord> =>
    environment.transactions.run((transaction) =>
      store.advance(transaction, record, ...next(record, event)),
    );
  const statusOf = async (id: number) => (await store.get(id)).state.members[0]?.status;

  test('holds what was committed, as a store that reads it anew', async () => {
    const record = await openRound('chest');
    expect(await statusOf(record.id)).toBe('invited');
    await apply(record, accepted);
    expect(await statusOf(record.id)).toBe('accepted');
    expect(await store.unsettled()).toEqual(await new RoundStore(environment).unsettled());
    expect((await store.events(record.id)).map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  test('holds nothing of a transaction that failed', async () => {
    const record = await openRound('skin');
    const failing = environment.transactions.run(async (transaction) => {
      await store.advance(transaction, record, ...next(record, accepted));
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await statusOf(record.id)).toBe('invited');
  });

  test('refuses an event where another process stored one meanwhile, and reads again', async () => {
    const record = await openRound('eye');
    const [, state] = next(record, { type: 'declined', site, reason: 'no' });
    const { queries } = environment;
    const event: RoundEvent = { type: 'declined', site, reason: 'no' };
    await queries.insert(roundEvents).values({ roundId: record.id, sequence: 2, event, atMs: 1 });
    await queries.update(rounds).set({ state }).where(eq(rounds.id, record.id));
    await expect(apply(record, accepted)).rejects.toThrow();
    expect(await statusOf(record.id)).toBe('declined');
  });

  test('lets go of an attempt that settles, and still finds it', async () => {
    const record = await openRound('bone');
    const settled = await apply(record, { type: 'abandoned', reason: 'by hand' });
    expect((await store.unsettled()).map(({ id }) => id)).not.toContain(record.id);
    expect(await store.get(record.id)).toEqual(settled);
    expect(await store.latest('bone')).toEqual(settled);
    expect(await store.find('bone', 1, 1)).toEqual(settled);
  });

  test('keeps a deadline that moved while an event was on its way', async () => {
    const record = await openRound('lung');
    await environment.transactions.run((transaction) =>
      store.setDeadline(transaction, record.id, 5000),
    );
    await store.unsettled();
    await apply(record, accepted);
    expect((await store.get(record.id)).deadlineAtMs).toBe(5000);
    expect((await new RoundStore(environment).get(record.id)).deadlineAtMs).toBe(5000);
  });
});
