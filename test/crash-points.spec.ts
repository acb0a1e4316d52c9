/** No program of this software can be told to end itself: only a test that constructs an app hands crash points to it. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { crashPointNames } from '#core/crash-points';

const repository = path.resolve(fileURLToPath(import.meta.url), '../..');
const definition = path.join('libs', 'melo-core', 'src', 'crash-points.ts');

const shipped = new Map(
  ['apps', 'libs']
    .flatMap((folder) =>
      readdirSync(path.join(repository, folder), { recursive: true, encoding: 'utf8' }).map(
        (name) => path.join(folder, name),
      ),
    )
    .filter((file) => /(?<!\.spec)\.tsx?$/.test(file) && file !== definition)
    .map((file) => [file, readFileSync(path.join(repository, file), 'utf8')]),
);

/** Ways in which a shipped file could make a crash point do something. */
const switches: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly sample: string;
}[] = [
  {
    what: 'crash points of its own',
    pattern: /crashPoints\??: \{|^.*(?:CrashPoints\b.*=|\bpoints\b).*\breach\b/m,
    sample: 'const points = { reach: (point) => end() };',
  },
  {
    what: 'crash points by an environment variable or an option',
    pattern: /^.*(?:process\.env|process\.argv|\.option\(|\braw\b).*crash.*$/im,
    sample: "if (process.env['MELO_CRASH'] === 'now') end();",
  },
  {
    what: 'crash points chosen by a condition',
    pattern: /(?<!\?)\?(?!\?)\s*\w*[cC]rashPoints\b|\bnoCrashPoints\b\s*[?:]|:\s*noCrashPoints\b/,
    sample: 'const crashPoints = isTest ? testPoints : noCrashPoints;',
  },
  {
    what: 'a kill of its own process',
    pattern: /process\.kill\(\s*process\.pid|process\.abort\(/,
    sample: "process.kill(process.pid, 'SIGKILL');",
  },
];

test.each(switches)('no shipped file has $what', ({ pattern, sample }) => {
  expect(sample).toMatch(pattern);
  expect([...shipped].filter(([, text]) => pattern.test(text)).map(([file]) => file)).toEqual([]);
});

test('every crash point is reached in exactly one place', () => {
  const reached = [...shipped.values()]
    .flatMap((text) => [...text.matchAll(/\breach\(\s*([^)]*)\)/g)])
    .flatMap(([, argument = '']) => [...argument.matchAll(/'([a-z.-]+)'/g)])
    .map(([, name = '']) => name);
  expect(reached.sort()).toEqual([...crashPointNames].sort());
});
