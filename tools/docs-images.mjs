/**
 * `npm run docs:images`: the pictures of docs/images/, taken by the browser suite itself on a federation of more rounds.
 */
import path from 'node:path';
import { ensureBuilt } from './build.mjs';
import { runJestProject } from './support/jest.mjs';
import { repositoryFolder, runMain } from './support/process.mjs';

const rounds = 7;

await runMain(async () => {
  await ensureBuilt();
  const { failed, passed } = await runJestProject('browser', {
    jestArguments: ['--runInBand', '--testNamePattern', 'px'],
    environment: {
      MELO_PICTURES: path.join(repositoryFolder, 'docs/images'),
      MELO_BROWSER_ROUNDS: String(rounds),
    },
  });
  return failed === 0 && passed > 0 ? 0 : 1;
});
