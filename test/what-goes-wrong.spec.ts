/** The table of docs/operations.md names a test for whatever goes wrong elsewhere: each must be there. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = path.resolve(fileURLToPath(import.meta.url), '../..');
const page = readFileSync(path.join(repository, 'docs', 'operations.md'), 'utf8');
const section = page.split(/^## /m).find((part) => part.startsWith('What goes wrong\n')) ?? '';

/** Rows of the table but its head and the names of its groups. */
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (?:\*\*|goes wrong)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, elsewhere = '', here = '', tests = '']) => ({ elsewhere, here, tests }));

/** The tests that a cell names, by file and title. */
const named = (tests: string): readonly { readonly file: string; readonly title: string }[] =>
  [...tests.matchAll(/`([^`]+)`, "([^"]+)"/g)].map(([, file = '', title = '']) => ({
    file,
    title,
  }));

/** Why a named test is none; null where it is one. */
function fault({ file, title }: { readonly file: string; readonly title: string }): string | null {
  const absolute = path.join(repository, file);
  if (!existsSync(absolute)) return `${file}: there is no such file`;
  const literal = title.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
  const isThere = new RegExp(String.raw`\(\s*'${literal}',`).test(readFileSync(absolute, 'utf8'));
  return isThere ? null : `${file}: no test is called "${title}"`;
}

test('the table has its rows', () => {
  expect(rows.length).toBeGreaterThan(20);
});

test.each(rows)('$elsewhere: a test that exists', ({ here, tests }) => {
  expect(here).not.toBe('');
  expect(named(tests)).not.toEqual([]);
  expect(
    named(tests)
      .map(fault)
      .filter((each) => each !== null),
  ).toEqual([]);
});

test('a row without a test, another file and another title are found', () => {
  expect(named('the suite')).toEqual([]);
  expect(fault({ file: 'test/none.spec.ts', title: 'x' })).toContain('no such file');
  const itself = 'test/what-goes-wrong.spec.ts';
  expect(fault({ file: itself, title: 'another title' })).toContain('no test is called');
  expect(fault({ file: itself, title: 'the table has its rows' })).toBeNull();
});
