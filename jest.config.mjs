const shared = {
  testEnvironment: './test/support/environment.cjs',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
          keepClassNames: true,
        },
        module: { type: 'es6' },
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

// The engine's specs load onnxruntime: a project of their own, run with one worker.
const engineSpecs = '<rootDir>/libs/melo-core/src/engine/';

export default {
  testTimeout: 60_000, // generous, since two busy cores are slow: a test never asserts time by it
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/{libs,apps,tools,bench}/**/*.spec.ts',
        '<rootDir>/test/*.spec.ts',
        '<rootDir>/test/sim/**/*.spec.ts',
        '<rootDir>/test/failures/**/*.spec.ts',
      ],
      testPathIgnorePatterns: ['/node_modules/', engineSpecs, '/dist/'],
    },
    { ...shared, displayName: 'engine', testMatch: [`${engineSpecs}**/*.spec.ts`] },
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.spec.ts'] },
    { ...shared, displayName: 'failures', testMatch: ['<rootDir>/test/failures/*.run.ts'] },
    { ...shared, displayName: 'fuzz', testMatch: ['<rootDir>/test/fuzz/*.run.ts'] },
    { ...shared, displayName: 'browser', testMatch: ['<rootDir>/test/browser/**/*.spec.ts'] },
    { ...shared, displayName: 'interop', testMatch: ['<rootDir>/test/interop/**/*.spec.ts'] },
  ],
};
