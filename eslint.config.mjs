/**
 * Lint: strict types, documented exports in melo-core, and the dependency arrows of docs/architecture.md.
 *
 * The arrows are rules here, so that a wrong import fails `npm run check`; test/lint-rules.spec.ts shows that each fires.
 */
import tsdoc from 'eslint-plugin-tsdoc';
import tseslint from 'typescript-eslint';

const core = 'libs/melo-core/src';
const specFiles = ['**/*.spec.ts', '**/testing/**/*.ts', 'test/**/*.ts'];
const measuringFiles = ['bench/**/*.ts'];

const group = (patterns, message) => ({ group: patterns, message });

const noApps = group(
  ['**/apps/**', '**/bench/**'],
  'libs know no app: turn the arrow round with a port.',
);
const noNest = group(['@nestjs/*', 'socket.io*'], 'melo-core knows no framework and no transport.');
const noNode = {
  regex: '^(node:.*|fs(/.*)?|net|tls|http|https|child_process|worker_threads|crypto|os|path)$',
  message: 'melo-core outside engine/ does no I/O: take a port as a parameter.',
};
const noServer = group(['@nestjs/*', 'socket.io'], 'the dashboard runs in a browser.');
const noBrowserNode = { regex: '^node:', message: 'the dashboard runs in a browser.' };
const noNative = group(
  ['onnxruntime-node', 'sharp'],
  'native modules belong to engine/ and the trainer.',
);
const noCoordinator = group(['**/coordinator/src/**'], 'no app imports another app.');
const noSiteAgent = group(['**/site-agent/src/**'], 'no app imports another app.');
const noDashboard = group(['**/dashboard/src/**'], 'no app imports another app.');
const noCore = {
  regex: '^#core/|/melo-core/',
  message: 'the dashboard bundles libs/api: melo-core would come along.',
};
const noTests = group(
  ['**/test/**', '**/*.spec.ts', '**/testing/**'],
  'tests are not part of what is shipped.',
);
const extraneous = group(['apps/*', 'libs/*'], 'import #core/... or a relative path.');

const restrictedImports = (...patterns) => ['error', { patterns: [...patterns, extraneous] }];

const clocks = ['Date', 'performance'];
const clockMessage = 'melo-core outside engine/ takes a Clock as a parameter.';
const ioGlobals = ['process', 'fetch', 'WebSocket', 'XMLHttpRequest'];
const timers = ['setTimeout', 'setInterval', 'setImmediate'];
const purityGlobals = [
  'error',
  ...clocks.map((name) => ({ name, message: clockMessage })),
  ...timers.map((name) => ({ name, message: clockMessage })),
  ...ioGlobals.map((name) => ({ name, message: 'melo-core outside engine/ does no I/O.' })),
];

const noMathRandom = {
  object: 'Math',
  property: 'random',
  message: 'take an Rng as a parameter: SeededRng for training, libsodium for secrets.',
};

// Formulas in docstrings are full of `->`, `<=` and `> 0`: not every angle bracket begins an HTML element.
const angleBrackets = new Set(['tsdoc-escape-greater-than', 'tsdoc-malformed-html-name']);
const tsdocSyntax = tsdoc.rules.syntax;
const tsdocWithFormulas = {
  rules: {
    syntax: {
      meta: tsdocSyntax.meta,
      create: (context) =>
        tsdocSyntax.create(
          Object.create(context, {
            report: {
              value: (problem) => {
                if (!angleBrackets.has(problem.messageId)) context.report(problem);
              },
            },
          }),
        ),
    },
  },
};

const sizes = {
  'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
  'max-lines-per-function': ['error', { max: 70 }],
};

const strict = {
  'no-restricted-properties': ['error', noMathRandom],
  eqeqeq: 'error',
  'no-console': 'error',
  'no-empty': ['error', { allowEmptyCatch: false }],
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': [
    'error',
    { considerDefaultExhaustiveForUnions: true },
  ],
  '@typescript-eslint/consistent-type-imports': 'off', // would erase classes that Nest injects
  '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
  '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
  '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
  '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
  '@typescript-eslint/no-unused-vars': [
    'error',
    { argsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_', ignoreRestSiblings: true },
  ],
  '@typescript-eslint/no-unsafe-class-instance-assignment': 'off', // Nest's own options are classes
  '@typescript-eslint/no-useless-constructor': 'off', // one that narrows a parameter's type is not useless
  // An async function that only throws or returns is how a port answers with a rejected promise.
  '@typescript-eslint/require-await': 'off',
};

const relaxedForSpecs = {
  'max-lines-per-function': 'off',
  '@typescript-eslint/no-unsafe-argument': 'off',
  '@typescript-eslint/no-unsafe-assignment': 'off', // expect.any() and expect.objectContaining() are any
  '@typescript-eslint/unbound-method': 'off',
  '@typescript-eslint/no-empty-function': 'off',
  '@typescript-eslint/consistent-type-assertions': 'off', // a spec may hand over what the types forbid
};

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.cache/', '.venv/', 'coverage/', 'test/fixtures/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: { ...strict, ...sizes },
  },
  {
    files: ['libs/**/*.ts'],
    plugins: { tsdoc: tsdocWithFormulas },
    rules: {
      'tsdoc/syntax': 'error',
      'no-restricted-imports': restrictedImports(noApps, noNest, noTests),
    },
  },
  {
    // The dashboard bundles it: neither Node nor melo-core, whose catalogues would come along.
    files: ['libs/api/**/*.ts'],
    ignores: specFiles,
    rules: { 'no-restricted-imports': restrictedImports(noApps, noNest, noTests, noNode, noCore) },
  },
  { files: ['libs/api/src/operations.ts'], rules: { 'max-lines': 'off' } }, // as long as the API is
  {
    files: [`${core}/**/*.ts`],
    ignores: [`${core}/engine/**`, ...specFiles],
    rules: {
      'no-restricted-imports': restrictedImports(noApps, noNest, noTests, noNode, noNative),
      'no-restricted-globals': purityGlobals,
    },
  },
  {
    // The one place that asks the operating system for randomness and hashes.
    files: [`${core}/crypto/primitives.ts`],
    rules: {
      'no-restricted-imports': restrictedImports(noApps, noNest, noTests, noNative),
    },
  },
  {
    files: ['apps/coordinator/**/*.ts'],
    rules: {
      'no-restricted-imports': restrictedImports(noSiteAgent, noDashboard, noNative, noTests),
    },
  },
  {
    files: ['apps/site-agent/**/*.ts'],
    rules: { 'no-restricted-imports': restrictedImports(noCoordinator, noDashboard, noTests) },
  },
  {
    // A browser has no Node, and what the page parses is its own: see apps/dashboard/src/api/schemas.ts.
    files: ['apps/dashboard/src/**/*.ts', 'apps/dashboard/src/**/*.tsx'],
    ignores: specFiles,
    rules: {
      'no-restricted-imports': restrictedImports(
        noCoordinator,
        noSiteAgent,
        noServer,
        noBrowserNode,
        noTests,
      ),
    },
  },
  {
    files: specFiles,
    rules: { ...relaxedForSpecs, 'no-restricted-imports': 'off' },
  },
  {
    files: ['apps/coordinator/**/*.spec.ts', 'apps/coordinator/**/testing/**/*.ts'],
    rules: { 'no-restricted-imports': restrictedImports(noSiteAgent) },
  },
  {
    files: ['apps/site-agent/**/*.spec.ts', 'apps/site-agent/**/testing/**/*.ts'],
    rules: { 'no-restricted-imports': restrictedImports(noCoordinator) },
  },
  { files: measuringFiles, rules: { 'no-console': 'off' } },
);
