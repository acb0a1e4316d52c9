#!/usr/bin/env node
/** The one command of MeLo Federation: checks Node, builds a fresh checkout, hands over to the app that has the command. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const packageFolder = path.resolve(fileURLToPath(import.meta.url), '../..');
const minimumNode = [20, 19];
const advisedNodeMajor = 22;

const coordinatorApp = 'apps/coordinator/src/main.js';
const siteAgentApp = 'apps/site-agent/src/main.js';

const commands = new Map([
  [
    'coordinator',
    { app: coordinatorApp, summary: 'run the coordinator that averages the updates' },
  ],
  ['admin', { app: coordinatorApp, summary: 'invite sites, create tasks, watch rounds' }],
  ['agent', { app: siteAgentApp, summary: 'enrol a hospital and train at it' }],
  ['doctor', { app: siteAgentApp, summary: 'say whether this machine can train' }],
  ['backbone', { app: siteAgentApp, summary: 'pull a frozen backbone, check it, look at it' }],
  ['audit', { app: siteAgentApp, summary: "check an export of the coordinator's audit log" }],
  [
    'simulate',
    { app: siteAgentApp, summary: 'rehearse a plan with virtual sites on this machine' },
  ],
  ['adapter', { app: siteAgentApp, summary: 'look at an adapter, convert it, use it on images' }],
]);

const usageExitCode = 2;
/** 128 + SIGPIPE, as a shell tells it of other programs. */
const brokenPipeExitCode = 141;

/** Whoever reads may have seen enough (`| head`), which is nothing to fail of; what serves goes on without readers. */
function outliveReaders([name, verb]) {
  const isServing = ['coordinator start', 'agent run'].includes(`${name} ${verb}`);
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
      if (!isServing) process.exit(brokenPipeExitCode);
    });
  }
}

async function main(commandArguments) {
  checkNode(process.versions.node);
  const [name] = commandArguments;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(helpText());
    return name === undefined ? usageExitCode : 0;
  }
  if (name === '--version' || name === '-V') {
    process.stdout.write(`${readVersion()}\n`);
    return 0;
  }
  const command = commands.get(name);
  if (command === undefined) {
    process.stderr.write(unknownCommandText(name));
    return usageExitCode;
  }
  await importApp(command.app);
  return undefined; // the app sets its own exit code
}

function checkNode(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [minimumMajor, minimumMinor] = minimumNode;
  if (major < minimumMajor || (major === minimumMajor && minor < minimumMinor)) {
    const minimum = minimumNode.join('.');
    throw new Error(
      `melo: expected Node ${minimum} or newer, got ${version}; install a newer Node`,
    );
  }
  const isSuppressed = process.env.MELO_NO_NODE_WARNING === '1';
  if (major < advisedNodeMajor && process.stderr.isTTY && !isSuppressed) {
    process.stderr.write(
      `melo: Node ${version} works; ${advisedNodeMajor} or newer is advised (MELO_NO_NODE_WARNING=1 hides this)\n`,
    );
  }
}

async function importApp(app) {
  const file = path.join(packageFolder, 'dist', app);
  if (!existsSync(file)) await buildCheckout(file);
  await import(pathToFileURL(file).href);
}

async function buildCheckout(file) {
  const buildScript = path.join(packageFolder, 'tools/build.mjs');
  if (!existsSync(buildScript)) {
    throw new Error(`melo: expected ${file}, it is not there; install the package again`);
  }
  process.stderr.write('melo: this checkout is not built yet; building it once\n');
  const { ensureBuilt } = await import(pathToFileURL(buildScript).href);
  await ensureBuilt({ isForced: true });
}

function helpText() {
  const lines = [...commands].map(([name, { summary }]) => `  ${name.padEnd(14)}${summary}`);
  return [
    'Usage: melo <command> [options]',
    '',
    'Federated training of MeLo adapters: images and the backbone stay at the hospital.',
    '',
    'Commands:',
    ...lines,
    '',
    'melo <command> --help tells more of one command; melo --version prints the version.',
    '',
  ].join('\n');
}

function unknownCommandText(name) {
  const near = [...commands.keys()].filter((known) => isNear(name, known));
  const hint =
    near.length > 0 ? `did you mean ${near.map((known) => `melo ${known}`).join(' or ')}?` : '';
  const known = [...commands.keys()].join(', ');
  return `melo: expected one of ${known}, got "${name}"; ${hint || 'see melo --help'}\n`;
}

/** Whether one word is a beginning of the other or at most two changed letters away. */
function isNear(word, known) {
  const isBeginning = word.length > 1 && (known.startsWith(word) || word.startsWith(known));
  return isBeginning || editDistance(word, known) <= 2;
}

function editDistance(left, right) {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const substitution = previous[column - 1] + (left[row - 1] === right[column - 1] ? 0 : 1);
      current[column] = Math.min(substitution, previous[column] + 1, current[column - 1] + 1);
    }
    previous = current;
  }
  return previous[right.length];
}

function readVersion() {
  return JSON.parse(readFileSync(path.join(packageFolder, 'package.json'), 'utf8')).version;
}

outliveReaders(process.argv.slice(2));
try {
  const exitCode = await main(process.argv.slice(2));
  if (exitCode !== undefined) process.exitCode = exitCode;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  if (process.env.MELO_STACK === '1' && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
}
