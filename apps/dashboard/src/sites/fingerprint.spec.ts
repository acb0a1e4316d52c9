import { compareFingerprint, formatFingerprint } from './fingerprint.ts';

const fingerprint = '0123456789abcdef'.repeat(4);

test('a fingerprint is read in groups of four, and compared without them', () => {
  const text = formatFingerprint(fingerprint);
  expect(text.startsWith('0123 4567 89ab cdef 0123')).toBe(true);
  expect(compareFingerprint(text, fingerprint)).toBe('same');
  expect(compareFingerprint(` ${text.toUpperCase()}\n`, fingerprint)).toBe('same');
});

test.each([
  ['', 'none'],
  ['  ', 'none'],
  ['0123 4567', 'short'],
  [fingerprint.slice(0, 63), 'short'],
  [`${fingerprint.slice(0, 63)}0`, 'differs'],
  [`${fingerprint}0`, 'differs'],
  ['0124', 'differs'],
])('%j is %s', (typed, comparison) => {
  expect(compareFingerprint(typed, fingerprint)).toBe(comparison);
});
