/** The dependency arrows are lint rules; each is shown to fire on what it forbids and to stay silent on what it allows. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const repository = path.resolve(fileURLToPath(import.meta.url), '../..');

interface Sample {
  readonly path: string;
  readonly code: string;
  /** The rule that must fire, or null where the text is allowed. */
  readonly rule: string | null;
}

const imports = 'no-restricted-imports';
const globals = 'no-restricted-globals';
const properties = 'no-restricted-properties';
const pure = 'libs/melo-core/src/protocol/sample.ts';
const api = 'libs/api/src/sample.ts';
const engine = 'libs/melo-core/src/engine/sample.ts';
const primitives = 'libs/melo-core/src/crypto/primitives.ts';
const coordinator = 'apps/coordinator/src/rounds/sample.ts';
const siteAgent = 'apps/site-agent/src/rounds/sample.ts';
const dashboard = 'apps/dashboard/src/rounds/sample.tsx';

const importing = (specifier: string): string => `export { x } from '${specifier}';`;

const samples: readonly Sample[] = [
  { path: api, code: importing('../../../apps/coordinator/src/x.ts'), rule: imports },
  { path: api, code: importing('#core/errors'), rule: imports },
  { path: api, code: importing('node:crypto'), rule: imports },
  { path: api, code: importing('zod'), rule: null },
  { path: dashboard, code: importing('#api'), rule: null },
  { path: coordinator, code: importing('#api'), rule: null },
  { path: pure, code: importing('../../../../apps/coordinator/src/x.ts'), rule: imports },
  { path: pure, code: importing('@nestjs/common'), rule: imports },
  { path: pure, code: importing('socket.io-client'), rule: imports },
  { path: pure, code: importing('node:fs/promises'), rule: imports },
  { path: pure, code: importing('node:net'), rule: imports },
  { path: pure, code: importing('node:crypto'), rule: imports },
  { path: pure, code: importing('child_process'), rule: imports },
  { path: pure, code: importing('onnxruntime-node'), rule: imports },
  { path: pure, code: importing('#core/crypto'), rule: null },
  { path: pure, code: importing('./paths.ts'), rule: null },
  { path: primitives, code: importing('node:crypto'), rule: null },
  { path: primitives, code: importing('@nestjs/common'), rule: imports },
  { path: engine, code: importing('node:fs/promises'), rule: null },
  { path: engine, code: importing('onnxruntime-node'), rule: null },
  { path: engine, code: importing('@nestjs/common'), rule: imports },
  { path: pure, code: 'export const now = () => Date.now();', rule: globals },
  { path: pure, code: 'export const now = () => new Date();', rule: globals },
  { path: pure, code: 'export const now = () => performance.now();', rule: globals },
  { path: pure, code: 'export const home = () => process.env;', rule: globals },
  { path: pure, code: 'export const get = () => fetch("x");', rule: globals },
  { path: pure, code: 'export const draw = () => Math.random();', rule: properties },
  { path: engine, code: 'export const draw = () => Math.random();', rule: properties },
  { path: siteAgent, code: 'export const draw = () => Math.random();', rule: properties },
  { path: coordinator, code: 'export const now = () => Date.now();', rule: null },
  { path: coordinator, code: importing('../../../site-agent/src/main.ts'), rule: imports },
  { path: coordinator, code: importing('onnxruntime-node'), rule: imports },
  { path: coordinator, code: importing('sharp'), rule: imports },
  { path: coordinator, code: importing('#core/protocol'), rule: null },
  { path: coordinator, code: importing('../sites/testing/fake.ts'), rule: imports },
  { path: siteAgent, code: importing('../../../coordinator/src/main.ts'), rule: imports },
  { path: siteAgent, code: importing('socket.io-client'), rule: null },
  { path: coordinator, code: importing('../../../dashboard/src/main.tsx'), rule: imports },
  { path: siteAgent, code: importing('../../../dashboard/src/main.tsx'), rule: imports },
  {
    path: dashboard,
    code: importing('../../../coordinator/src/common/contract.ts'),
    rule: imports,
  },
  { path: dashboard, code: importing('node:crypto'), rule: imports },
  { path: dashboard, code: importing('socket.io'), rule: imports },
  { path: dashboard, code: importing('socket.io-client'), rule: null },
  { path: pure, code: '/** {@link broken */ export const x = 1;', rule: 'tsdoc/syntax' },
  {
    path: pure,
    code: '/** Scale to x -> y for 0 <= x, C > 0. */ export const x = 1;',
    rule: null,
  },
];

const findingsSchema = z.array(
  z.array(z.object({ rule: z.string().nullable(), message: z.string() })),
);

describe('the dependency arrows', () => {
  const output = execFileSync(
    process.execPath,
    [path.join(repository, 'tools/support/lint-samples.mjs')],
    { input: JSON.stringify(samples), encoding: 'utf8', cwd: repository },
  );
  const findings = findingsSchema.parse(JSON.parse(output));

  test.each(samples.map((sample, index) => ({ ...sample, index })))(
    '$path: $rule on $code',
    ({ rule, index }) => {
      const rules = (findings[index] ?? []).map((finding) => finding.rule);
      expect(rules).toEqual(rule === null ? [] : [rule]);
    },
  );
});
