/** `npm run demo -- [options]`: install and build what is missing, then run the demo; `-- --help` lists its options. */
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './ensure.mjs';
import { repositoryFolder, runMain, stopPrograms } from './support/process.mjs';

const interruptedStatus = 130;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const isOnTerminal = [process.stdin, process.stdout, process.stderr].some(
  ({ isTTY }) => isTTY === true,
);

/** While npm or the compiler runs: end it too, for a signal sent to this process alone would leave it. */
function stopTools() {
  stopPrograms();
  process.exit(interruptedStatus);
}

async function secondsOf(work) {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

// A reader that goes away (`| head -1`, a closed terminal) ends nothing by itself: the files are still to be left.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

await runMain(async (scriptArguments) => {
  for (const name of signals) process.on(name, stopTools);
  const install = await secondsOf(ensureInstalled);
  const build = await secondsOf(ensureBuilt);
  const file = path.join(repositoryFolder, 'dist/tools/demo/main.js');
  const { runDemo } = await import(pathToFileURL(file).href);
  let isHungUp = false;
  process.once('SIGHUP', () => {
    isHungUp = true;
  });
  const running = runDemo(scriptArguments, { install, build });
  for (const name of signals) process.off(name, stopTools); // the demo has its own by now
  const status = await running;
  // Not by process.exitCode: a wait that was given up must not hold the end.
  await flushed(process.stdout);
  await flushed(process.stderr);
  if (isHungUp && isOnTerminal) endByHangUp();
  process.exit(status);
});

/** End by the signal itself: Node's own end would set the mode of a terminal that is gone, and abort over it. */
function endByHangUp() {
  process.removeAllListeners('SIGHUP');
  process.kill(process.pid, 'SIGHUP');
}

/** Wait until what was written to a pipe has left: process.exit would cut it. */
function flushed(stream) {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
