/** Tests that a page of the docs names, as `file`, "title": whether each is there. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const repository = path.resolve(fileURLToPath(import.meta.url), '../../..');

/** A test by file and title. */
export interface NamedTest {
  readonly file: string;
  readonly title: string;
}

/** The tests that a text names. */
export const namedTests = (text: string): readonly NamedTest[] =>
  [...text.matchAll(/`([^`]+)`, "([^"]+)"/g)].map(([, file = '', title = '']) => ({ file, title }));

/** Why a named test is none; null where it is one. */
export function faultOf({ file, title }: NamedTest): string | null {
  const absolute = path.join(repository, file);
  if (!existsSync(absolute)) return `${file}: there is no such file`;
  const literal = title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const isThere = new RegExp(String.raw`\(\s*'${literal}',`).test(readFileSync(absolute, 'utf8'));
  return isThere ? null : `${file}: no test is called "${title}"`;
}

/** What is wrong with the tests that a text names. */
export const faultsIn = (text: string): readonly string[] =>
  namedTests(text)
    .map(faultOf)
    .filter((each) => each !== null);

/** Rows of the tables below a heading of a page, cell by cell, without heads and rules. */
export function tableRows(section: string): readonly (readonly string[])[] {
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('|---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}
