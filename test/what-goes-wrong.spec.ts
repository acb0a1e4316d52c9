/** The table of docs/operations.md names a test for whatever goes wrong elsewhere: each must be there. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { faultOf, faultsIn, namedTests, repository, tableRows } from './support/named-tests.ts';

const page = readFileSync(path.join(repository, 'docs', 'operations.md'), 'utf8');
const section = page.split(/^## /m).find((part) => part.startsWith('What goes wrong\n')) ?? '';

/** Rows of the table but its head and the names of its groups. */
const rows = tableRows(section)
  .filter(([first = '']) => !/^(?:\*\*|goes wrong)/.test(first))
  .map(([elsewhere = '', here = '', tests = '']) => ({ elsewhere, here, tests }));

test('the table has its rows', () => {
  expect(rows.length).toBeGreaterThan(20);
});

test.each(rows)('$elsewhere: a test that exists', ({ here, tests }) => {
  expect(here).not.toBe('');
  expect(namedTests(tests)).not.toEqual([]);
  expect(faultsIn(tests)).toEqual([]);
});

test('a row without a test, another file and another title are found', () => {
  expect(namedTests('the suite')).toEqual([]);
  expect(faultOf({ file: 'test/none.spec.ts', title: 'x' })).toContain('no such file');
  const itself = 'test/what-goes-wrong.spec.ts';
  expect(faultOf({ file: itself, title: 'another title' })).toContain('no test is called');
  expect(faultOf({ file: itself, title: 'the table has its rows' })).toBeNull();
});
