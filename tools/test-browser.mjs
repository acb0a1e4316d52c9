/**
 * `npm run test:browser`: the dashboard in a real browser against a real federation.
 *
 * Needs a Chromium: Debian's package, or the one that MELO_CHROMIUM names.
 */
import { ensureBuilt } from './build.mjs';
import { concludeTests, runJestProject } from './support/jest.mjs';
import { runMain } from './support/process.mjs';

await runMain(async (scriptArguments) => {
  await ensureBuilt();
  const jestArguments = ['--runInBand', ...scriptArguments];
  return concludeTests(await runJestProject('browser', { jestArguments }));
});
