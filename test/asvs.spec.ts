/**
 * docs/asvs.md says of every requirement of levels 1 and 2 of six chapters of OWASP ASVS 5.0.0 how it is met, by tests that are
 * there, or why it is not. The numbers below are the standard's own; its words are not here.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { faultsIn, namedTests, repository, tableRows } from './support/named-tests.ts';

/** Requirements of level 1 by chapter and section, then those of level 2. */
const levels = {
  1: `3.2.1 3.2.2 3.3.1 3.4.1 3.4.2 3.5.1 3.5.2 3.5.3 4.1.1 4.4.1 5.2.1 5.2.2 5.3.1 5.3.2 6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5
    6.2.6 6.2.7 6.2.8 6.3.1 6.3.2 6.4.1 6.4.2 7.2.1 7.2.2 7.2.3 7.2.4 7.4.1 7.4.2 8.1.1 8.2.1 8.2.2 8.3.1`,
  2: `3.3.2 3.3.3 3.3.4 3.4.3 3.4.4 3.4.5 3.4.6 3.5.4 3.5.5 3.7.1 3.7.2 4.1.2 4.1.3 4.2.1 4.3.1 4.3.2 4.4.2 4.4.3 4.4.4 5.1.1
    5.2.3 5.4.1 5.4.2 5.4.3 6.1.2 6.1.3 6.2.9 6.2.10 6.2.11 6.2.12 6.3.3 6.3.4 6.4.3 6.4.4 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5
    6.6.1 6.6.2 6.6.3 6.8.1 6.8.2 6.8.3 6.8.4 7.1.1 7.1.2 7.1.3 7.3.1 7.3.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.6.1 7.6.2 8.1.2
    8.2.3 8.4.1`,
} as const;
const listed = Object.entries(levels).flatMap(([level, text]) =>
  text.split(/\s+/).map((number) => `${number} ${level}`),
);

interface Row {
  readonly number: string;
  readonly level: string;
  readonly what: string;
  readonly standing: string;
  readonly evidence: string;
}

const page = readFileSync(path.join(repository, 'docs', 'asvs.md'), 'utf8');
const rows: readonly Row[] = tableRows(page)
  .map(([number = '', level = '', what = '', standing = '', evidence = '']) => {
    return { number, level, what, standing, evidence };
  })
  .filter(({ number }) => /^\d/.test(number));

/** What a row lacks; null where it lacks nothing. */
function lackOf({ what, standing, evidence }: Row): string | null {
  const tests = namedTests(evidence);
  const reason = evidence.replaceAll(/`[^`]+`, "[^"]+"/g, '').replaceAll(/[;.\s]/g, '');
  if (what === '') return 'what is required';
  switch (standing) {
    case 'met':
      return tests.length > 0 ? null : 'a test';
    case 'in part':
      return tests.length > 0 && reason !== '' ? null : 'a test and what is missing';
    case 'documented': {
      const links = [...evidence.matchAll(/\]\(([^)#]+)/g)].map(([, file = '']) => file);
      const isThere = (file: string): boolean => {
        try {
          return readFileSync(path.join(repository, 'docs', file)).length > 0;
        } catch {
          return false;
        }
      };
      return links.length > 0 && links.every(isThere) ? null : 'a page that is there';
    }
    case 'not met':
    case 'does not apply':
      return reason.length > 20 ? null : 'a reason';
    default:
      return 'a standing: met, documented, in part, not met, does not apply';
  }
}

test('every requirement stands there once, with its level, and no other', () => {
  expect(rows.map(({ number, level }) => `${number} ${level}`).sort()).toEqual([...listed].sort());
});

test.each(rows)('$number: has its tests, which exist, or its reason', (row) => {
  expect(lackOf(row)).toBeNull();
  expect(faultsIn(row.evidence)).toEqual([]);
});

test('the sums at the head of the page are those of its rows', () => {
  const count = (standing: string) => rows.filter((row) => row.standing === standing).length;
  const sums = ['met', 'documented', 'in part', 'not met', 'does not apply'].map(
    (standing) => `${count(standing)} ${standing}`,
  );
  expect(page).toContain(`${rows.length} requirements: ${sums.join(', ')}.`);
});

test('a row without a test or a reason, and one with a test that is none, are found', () => {
  const row = { number: '1.1.1', level: '1', what: 'something', evidence: '' };
  expect(lackOf({ ...row, standing: 'met' })).toBe('a test');
  expect(lackOf({ ...row, standing: 'met', evidence: 'we looked at it' })).toBe('a test');
  expect(lackOf({ ...row, standing: 'in part', evidence: '`a`, "b"' })).toContain('is missing');
  expect(lackOf({ ...row, standing: 'documented', evidence: '[x](none.md)' })).toContain('page');
  expect(lackOf({ ...row, standing: 'not met', evidence: 'later' })).toBe('a reason');
  expect(lackOf({ ...row, standing: 'perhaps' })).toContain('a standing');
  expect(faultsIn('`test/asvs.spec.ts`, "no such title"')).toHaveLength(1);
});
