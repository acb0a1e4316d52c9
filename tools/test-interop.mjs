/**
 * `npm run test:interop`: against Python's safetensors, timm, transformers and PEFT, and the coordinator's specs against
 * PostgreSQL.
 *
 * Needs Python 3 with venv, the postgresql package and ../shared; fails where one is absent, since here nothing is
 * left out silently.
 */
import { ensureBuilt } from './build.mjs';
import { addTotals, concludeTests, findSharedFolder, runJestProject } from './support/jest.mjs';
import { withPostgres } from './support/postgres.mjs';
import { runMain, ToolError } from './support/process.mjs';
import { ensurePython } from './support/python.mjs';

await runMain(async () => {
  if (findSharedFolder() === undefined) {
    throw new ToolError('test:interop: expected ../shared (or MELO_SHARED), it is absent');
  }
  await ensureBuilt();
  const interpreter = await ensurePython();
  const python = await runJestProject('interop', { environment: { MELO_PYTHON: interpreter } });
  const postgres = await withPostgres((url) =>
    runJestProject('unit', {
      environment: { DATABASE_URL: url },
      // One database for all: the specs take turns.
      jestArguments: ['--runInBand', '--testPathPatterns', 'apps/coordinator/'],
    }),
  );
  return concludeTests(addTotals(python, postgres));
});
