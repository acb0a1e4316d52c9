import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../common/environment.ts';
import { placeDatabase } from '../testing/spec-database-folder.ts';
import { openEnvironment } from '../testing/spec-environment.ts';
import { userRecord } from '../testing/user-record.ts';
import { UserStore } from './user-store.ts';

describe('the store of accounts', () => {
  let path: string;
  let environment: Environment;
  let store: UserStore;
  beforeAll(async () => {
    path = await mkdtemp(join(tmpdir(), 'melo-users-'));
    await placeDatabase(path);
    environment = await openEnvironment(path);
    store = new UserStore(environment);
  });
  afterAll(async () => {
    await environment.database.close();
    await rm(path, { recursive: true });
  });

  test('keeps what was noted of an account while a change of it was decided', async () => {
    const { transactions } = environment;
    const read = { ...userRecord('anna'), recoveryCodeHashes: ['of a code'] };
    await transactions.run((transaction) => store.insert(transaction, read));
    const before = await store.get('anna');
    const noted = { isTotpConfirmed: true, totpLastStep: 7, recoveryCodeHashes: [] };
    await store.note('anna', noted);
    await transactions.run((transaction) =>
      store.change(transaction, before, { role: 'scientist' }),
    );
    expect(await store.get('anna')).toEqual({ ...before, ...noted, role: 'scientist', version: 2 });
  });
});
