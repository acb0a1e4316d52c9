/**
 * `npm run check`: format, lint, types and unit tests, the same here as anywhere else. `npm run fix` mends what a
 * program can mend. `--no-tests` leaves the unit tests to a later `npm test`.
 */
import { ensureInstalled } from './ensure.mjs';
import { noTests, runJestProject } from './support/jest.mjs';
import { packageCommand, runMain, runProgram, say, timed } from './support/process.mjs';

const prettier = packageCommand('prettier', 'bin/prettier.cjs');
const eslint = packageCommand('eslint', 'bin/eslint.js');
const compiler = packageCommand('typescript', 'bin/tsc');

function steps(isFixing) {
  return [
    { name: 'format', script: prettier, scriptArguments: [isFixing ? '--write' : '--check', '.'] },
    {
      name: 'lint',
      script: eslint,
      scriptArguments: ['--max-warnings', '0', ...(isFixing ? ['--fix'] : []), '.'],
    },
    { name: 'types', script: compiler, scriptArguments: ['--noEmit'] },
    {
      name: 'types of melo-core',
      script: compiler,
      scriptArguments: ['--noEmit', '-p', 'libs/melo-core'],
    },
    {
      name: 'types of the dashboard',
      script: compiler,
      scriptArguments: ['--noEmit', '-p', 'apps/dashboard'],
    },
  ];
}

await runMain(async (scriptArguments) => {
  const isFixing = scriptArguments.includes('--fix');
  await ensureInstalled();
  const failed = [];
  for (const { name, script, scriptArguments: options } of steps(isFixing)) {
    const { status } = await timed(name, () => runProgram(process.execPath, [script, ...options]));
    if (status !== 0) failed.push(name);
  }
  if (!isFixing && !scriptArguments.includes('--no-tests')) {
    const totals = await timed('unit tests', () => runJestProject('unit'));
    if (totals.failed > 0 || totals.passed === noTests.passed) failed.push('unit tests');
  }
  say(failed.length === 0 ? 'check: all is well' : `check: failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
});
