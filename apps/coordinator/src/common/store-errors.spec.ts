/** Which failures pass, which left nothing behind, which nobody knows the end of. */
import { InputError, MeloError } from '#core/errors';
import {
  ConnectionLostError,
  isPassing,
  isRepeatable,
  isRolledBack,
  OutcomeUnknownError,
  toCoordinatorError,
} from './store-errors.ts';

const withCode = (code: string): Error => Object.assign(new Error('driver'), { code });
const wrapped = (cause: unknown): Error => new Error('query', { cause });

test.each([
  // code, passes, may be repeated at once, says that nothing was stored where it answers COMMIT
  ['40001', true, true, true],
  ['40P01', true, true, true],
  ['40003', true, false, false],
  ['23505', false, false, true],
  ['53100', true, false, false],
  ['58030', true, false, false],
  ['57P01', true, false, false],
  ['08006', true, false, false],
  ['ECONNRESET', true, false, false],
  ['ENOSPC', true, false, false],
  ['EIO', true, false, false],
  ['42601', false, false, false],
  ['ENOENT', false, false, false],
])('%s', (code, passes, repeatable, rolledBack) => {
  for (const error of [withCode(code), wrapped(withCode(code)), wrapped(wrapped(withCode(code)))]) {
    expect([isPassing(error), isRepeatable(error), isRolledBack(error)]).toEqual([
      passes,
      repeatable,
      rolledBack,
    ]);
  }
});

test('what a driver only says in words counts as what the connection knows', () => {
  const lost = new ConnectionLostError(new Error('Connection terminated unexpectedly'));
  expect([isPassing(wrapped(lost)), isRepeatable(wrapped(lost))]).toEqual([true, true]);
  const unknown = new OutcomeUnknownError(lost);
  expect([isPassing(unknown), isRepeatable(unknown)]).toEqual([true, false]);
});

test('an error of our own is told as it is, wherever it stands in the chain', () => {
  const ours = new InputError('NOT_FOUND', 'x: y; z');
  expect(toCoordinatorError(wrapped(ours))).toBe(ours);
  const full = toCoordinatorError(withCode('ENOSPC'));
  expect(full instanceof MeloError && full.code).toBe('DISK_FULL');
});
