/** House style as a test: what must not stand in the tree, with the replacement named. Lengths are a ratchet: lower only. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const repository = path.resolve(fileURLToPath(import.meta.url), '../..');
const itself = 'test/tidy.spec.ts';
/** Made of docs/openapi.json: as long as the API is. */
const writtenByProgram = 'libs/api/src/operations.ts';
const functionLinesMax = 70;
const fileLinesMax = 400;

interface Ban {
  readonly what: string;
  readonly pattern: RegExp;
  readonly instead: string;
  /** Where the ban holds; everywhere by default. */
  readonly where?: RegExp;
  readonly except?: RegExp;
}

const shipped = /^(apps|libs)\/.*(?<!\.spec)\.tsx?$/;
const typescript = /\.tsx?$/;

const bans: readonly Ban[] = [
  {
    what: 'a note of what is left to do',
    pattern: /\b(?:FIXME|TODO|XXX|HACK)\b/,
    instead: 'do it, or write it down in the design',
  },
  {
    what: 'a path of one machine',
    pattern: /(?<![\w.])\/(?:work|home|root|Users|mnt)\/[\w.-]+/,
    instead: 'a path relative to the repository, or a variable of the environment',
  },
  {
    what: 'a word of how the text came about',
    pattern:
      /\bco-authored-by\b|\b(?:generated|written) (?:by|with) (?:an? )?(?:ai|assistant|model)\b/i,
    instead: 'the project speaks of itself alone',
  },
  {
    what: 'a number of a tracker',
    pattern: /\b(?:issue|ticket|pull request|PR) #\d+/i,
    instead: 'the reason itself, in a sentence',
    except: /^package-lock\.json$/,
  },
  {
    what: 'the type any',
    pattern: /^(?!\s*(?:\*|\/[/*])).*(?:(?::|\bas|<|\|)\s*any\b(?=[\s;,)>[\]=]|$)|,\s*any>)/m,
    instead: 'unknown, and a schema',
    where: typescript,
  },
  {
    what: 'a silenced type error',
    pattern: /@ts-(?:ignore|nocheck)/,
    instead: '@ts-expect-error with a reason, in a spec',
    where: typescript,
  },
  {
    what: 'Math.random',
    pattern: /\bMath\.random\b/,
    instead: 'an Rng as a parameter',
    where: typescript,
    except: /^test\/lint-rules\.spec\.ts$/,
  },
  {
    what: 'a console',
    pattern: /\bconsole\.\w+\(/,
    instead: 'the logger, or standard output written on purpose',
    where: shipped,
  },
  {
    what: 'a test that shuts out the others',
    pattern: /\b(?:test|it|describe)\.only\(|\bf(?:it|describe)\(/,
    instead: 'nothing: remove it',
    where: typescript,
  },
  {
    what: 'a mocked module',
    pattern: /\bjest\.(?:mock|unstable_mockModule)\(/,
    instead: 'a port and a fake',
    where: typescript,
  },
  {
    what: 'a text taken for HTML',
    pattern:
      /\bdangerouslySetInnerHTML\b|\.(?:inner|outer)HTML\b|\binsertAdjacentHTML\b|\bdocument\.write\b/,
    instead: 'an element of React, which writes text as text',
    where: /^apps\/dashboard\/src\//,
  },
  {
    what: 'a message of another window',
    pattern: /\bpostMessage\b|['"]message['"]|\bonmessage\b/,
    instead: 'the socket of the coordinator',
    where: /^apps\/dashboard\/src\//,
  },
  {
    what: 'an import of melo-core past its names',
    pattern: /from '(?:\.\.\/)+libs\/melo-core/,
    instead: '#core/...',
    where: /^(apps|bench|test)\/.*\.ts$/,
  },
];

const files = listFiles('');
const textOf = new Map(
  files.map((file) => [file, readFileSync(path.join(repository, file), 'utf8')]),
);

describe('nowhere in the tree stands', () => {
  test.each(bans)('$what (instead: $instead)', ({ pattern, where, except }) => {
    const found = [...textOf]
      .filter(([file]) => file !== itself && (where?.test(file) ?? true))
      .filter(([file]) => !(except?.test(file) ?? false))
      .flatMap(([file, text]) => findLines(file, text, pattern));
    expect(found).toEqual([]);
  });

  test.each(bans)('... and the search for $what finds it', ({ what, pattern }) => {
    expect(samples[what]).toMatch(pattern);
  });
});

/** One text for each ban, which its pattern must find. */
const samples: Readonly<Record<string, string>> = {
  'a note of what is left to do': '// FIXME later',
  'a path of one machine': "open('/home/me/data')",
  'a word of how the text came about': 'Co-Authored-By: somebody',
  'a number of a tracker': 'see issue #12',
  'the type any': 'const x: any = 1;',
  'a silenced type error': '// @ts-ignore',
  'Math.random': 'Math.random()',
  'a console': "console.log('x')",
  'a test that shuts out the others': "test.only('x')",
  'a mocked module': "jest.mock('x')",
  'a text taken for HTML': '<p dangerouslySetInnerHTML={x} />',
  'a message of another window': "window.addEventListener('message', hear)",
  'an import of melo-core past its names': "from '../../libs/melo-core/src/x.ts'",
};

describe('sizes', () => {
  const sources = [...textOf]
    .filter(([file]) => /^(apps|libs|bench|tools|bin)\/.*\.(tsx?|mjs)$/.test(file))
    .filter(([file]) => !/\.spec\.ts$|\/testing\//.test(file))
    .filter(([file]) => file !== writtenByProgram);

  test(`no file is over ${fileLinesMax} lines`, () => {
    const long = sources
      .map(([file, text]) => [file, text.split('\n').length] as const)
      .filter(([, lines]) => lines > fileLinesMax);
    expect(long).toEqual([]);
  });

  test(`no function is over ${functionLinesMax} lines`, () => {
    const long = sources.flatMap(([file, text]) => longFunctions(file, text));
    expect(long).toEqual([]);
  });

  test('the count of lines sees a long function', () => {
    const body = '  step();\n'.repeat(functionLinesMax);
    expect(longFunctions('x.ts', `function short() {}\nfunction long() {\n${body}}\n`)).toEqual([
      `x.ts:2 has ${functionLinesMax + 2} lines`,
    ]);
  });
});

describe('specs', () => {
  test('every folder of melo-core has one', () => {
    const folders = new Map<string, boolean>();
    for (const file of files.filter((name) => /^libs\/melo-core\/src\/.*\.ts$/.test(name))) {
      const folder = file.split('/').slice(0, 4).join('/');
      folders.set(folder, (folders.get(folder) ?? false) || file.endsWith('.spec.ts'));
    }
    const bare = [...folders].filter(([folder, has]) => !has && !folder.endsWith('.ts'));
    expect(bare).toEqual([]);
  });
});

function findLines(file: string, text: string, pattern: RegExp): readonly string[] {
  if (!pattern.test(text)) return [];
  return text
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : []));
}

function listFiles(folder: string): readonly string[] {
  const left = new Set(['node_modules', 'dist', '.git', '.venv', '.cache', 'coverage', 'fixtures']);
  return readdirSync(path.join(repository, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return left.has(entry.name) ? [] : listFiles(file);
    return entry.isFile() && isText(file) ? [file] : [];
  });
}

function isText(file: string): boolean {
  return /\.(tsx?|mts|cts|mjs|cjs|md|ya?ml|sh|py|sql)$|^package\.json$|^\.ci\/run$/.test(file);
}

/** Functions over the limit, a class's methods counted one by one. */
function longFunctions(file: string, text: string): readonly string[] {
  const source = ts.createSourceFile(
    file,
    text,
    ts.ScriptTarget.Latest,
    false,
    file.endsWith('.tsx') ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
  );
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
      const last = source.getLineAndCharacterOfPosition(node.end).line;
      const lines = last - first + 1;
      if (lines > functionLinesMax) found.push(`${file}:${first + 1} has ${lines} lines`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
