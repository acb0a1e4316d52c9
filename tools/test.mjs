/**
 * `npm test`: every test that needs Node alone, on a checkout where nothing is installed or built yet.
 *
 * `npm test -- PATTERN` runs the files that match, `--unit` the unit tests alone. Jest's own options pass through.
 */
import { ensureBuilt } from './build.mjs';
import {
  addTotals,
  concludeTests,
  findSharedFolder,
  noTests,
  runJestProject,
} from './support/jest.mjs';
import { runMain, say } from './support/process.mjs';

// Half of what unit tests do is waiting, so that three run at once on two cores as well; a worker that has grown is replaced.
// Real processes of e2e wait for one another too. The engine's native threads want the machine to themselves.
const projects = [
  { name: 'unit', jestArguments: ['--maxWorkers=3', '--workerIdleMemoryLimit=1500MB'] },
  { name: 'engine', jestArguments: ['--maxWorkers=1'] },
  { name: 'e2e', jestArguments: ['--maxWorkers=2'] },
];

await runMain(async (scriptArguments) => {
  const isUnitOnly = scriptArguments.includes('--unit');
  const passedOn = scriptArguments.filter((argument) => argument !== '--unit');
  await ensureBuilt();
  if (findSharedFolder() === undefined) {
    say('test: ../shared is absent, its tests are skipped (MELO_SHARED names another place)');
  }
  let totals = noTests;
  for (const { name, jestArguments } of projects.slice(0, isUnitOnly ? 1 : undefined)) {
    const counted = await runJestProject(name, { jestArguments: [...jestArguments, ...passedOn] });
    totals = addTotals(totals, counted);
  }
  return concludeTests(totals);
});
