import type { User } from '../api/people-schemas.ts';
import { conflictText } from './user-commands.ts';

const anna: User = {
  ...{ user: 'anna', role: 'steward', site: 'north', status: 'active', reason: null, version: 2 },
  ...{
    createdAtMs: 0,
    lastSignInAtMs: null,
    password: 'own',
    hasSecondFactor: false,
    issuer: null,
  },
};

test('a conflict tells what somebody else made of the account', () => {
  expect(conflictText('anna', anna)).toContain('now steward of north, active. Nothing was done');
  expect(conflictText('anna', { ...anna, role: 'viewer', site: null })).toContain('now viewer');
  expect(conflictText('anna', undefined)).toBe('Somebody else removed anna meanwhile.');
});
