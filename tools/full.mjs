/** `npm run full`: long simulations, a bad line, every failing call in both databases, 20,000 requests drawn from the API's document, a run that would show a leak, the dashboard over years of rounds, and the long figures of docs/results.md, one after the other; needs ../shared. */
import { failuresCommand } from './failures.mjs';
import { fuzzCommand } from './fuzz-api.mjs';
import { runBuiltScript } from './support/built.mjs';
import { findSharedFolder } from './support/jest.mjs';
import { runMain, say, timed, ToolError } from './support/process.mjs';

const longFigures = [
  ['first-round'],
  ['gratings'],
  ['methods', '--part', 'nano'],
  ['methods', '--part', 'sixteen-rounds'],
  ['methods', '--part', 'breast-ultrasound'],
  ['methods', '--part', 'chest-xray'],
];
const longSimulations = [[], ['--planted']];
const failingCalls = ['pglite', 'postgresql'].flatMap((database) =>
  ['round', 'start'].map((scenario) => ['--database', database, '--scenario', scenario]),
);

await runMain(async (scriptArguments) => {
  if (findSharedFolder() === undefined) {
    throw new ToolError('full: expected ../shared (or MELO_SHARED), it is absent');
  }
  const failed = [];
  for (const options of longSimulations) {
    const name = ['sim', ...options].join(' ');
    const run = () => runBuiltScript('test/sim/main.js', ['--seeds', '5000', ...options]);
    if ((await timed(name, run)) !== 0) failed.push(name);
  }
  const runNetwork = () => runBuiltScript('test/network/main.js', []);
  if ((await timed('network', runNetwork)) !== 0) failed.push('network');
  for (const options of failingCalls) {
    const name = ['failures', ...options].join(' ');
    if ((await timed(name, () => failuresCommand(options))) !== 0) failed.push(name);
  }
  const runFuzz = () => fuzzCommand(['--cases', '20000']);
  if ((await timed('fuzz:api', runFuzz)) !== 0) failed.push('fuzz:api');
  const runLeak = () => runBuiltScript('bench/leak.js', ['--steps', '1000']);
  if ((await timed('leak', runLeak)) !== 0) failed.push('leak');
  const runDashboard = () => runBuiltScript('bench/dashboard.js', []);
  if ((await timed('dashboard', runDashboard)) !== 0) failed.push('dashboard');
  for (const figure of longFigures) {
    const name = figure.join(' ');
    const run = () => runBuiltScript('bench/results/main.js', [...figure, ...scriptArguments]);
    if ((await timed(name, run)) !== 0) failed.push(name);
  }
  say(failed.length === 0 ? 'full: all figures made' : `full: failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
});
