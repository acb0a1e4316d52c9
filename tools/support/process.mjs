/**
 * How the scripts of this folder start other programs and say what they are doing.
 *
 * Programs are started without a shell, so that paths with spaces and Windows work alike.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json. */
export const repositoryFolder = path.resolve(fileURLToPath(import.meta.url), '../../..');

/** A failure that is told in one sentence, without a stack. */
export class ToolError extends Error {}

/** Print a line of progress; standard output is left to the program's own result. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Seconds since `startMs`, for a line of progress. */
export function secondsSince(startMs) {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
}

/** Do `work` between two lines that say what is done and how long it took. */
export async function timed(what, work) {
  const startMs = performance.now();
  say(`${what} ...`);
  const result = await work();
  say(`${what}: done in ${secondsSince(startMs)}`);
  return result;
}

const running = new Set();

/** End every program that {@link runProgram} has started and that still runs. */
export function stopPrograms() {
  for (const child of running) child.kill('SIGTERM');
}

/**
 * Run a program to its end and return its exit status and, where asked, what it printed.
 *
 * A program that a signal ended has the status 128, as shells have it.
 */
export function runProgram(program, programArguments, options = {}) {
  const { environment = {}, folder = repositoryFolder, captured = false, limitMs } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, programArguments, {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: captured ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    });
    running.add(child);
    let output = '';
    const collect = (chunk) => {
      output += chunk.toString('utf8');
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    const timer = limitMs === undefined ? undefined : setTimeout(stop, limitMs);
    function stop() {
      say(`${path.basename(program)}: not done after ${limitMs / 60_000} minutes, stopping it`);
      child.kill('SIGKILL');
    }
    child.once('error', (error) => {
      running.delete(child);
      clearTimeout(timer);
      reject(missingProgram(program, error));
    });
    child.once('close', (status) => {
      running.delete(child);
      clearTimeout(timer);
      resolve({ status: status ?? 128, output });
    });
  });
}

/** As {@link runProgram}, with a failure for every status but 0. */
export async function runOrFail(program, programArguments, options = {}) {
  const { status, output } = await runProgram(program, programArguments, options);
  if (status !== 0) {
    const shown = output === '' ? '' : `\n${output}`;
    throw new ToolError(
      `${path.basename(program)} ${programArguments.join(' ')}: ended with status ${status}${shown}`,
    );
  }
  return output;
}

/** The file in node_modules that a package's command runs. */
export function packageCommand(packageName, file) {
  return path.join(repositoryFolder, 'node_modules', packageName, file);
}

/** How to start npm: the npm that runs this script, or the one beside Node, or the one on the path. */
export function npmCommand() {
  const nodeFolder = path.dirname(process.execPath);
  const candidates = [
    process.env.npm_execpath,
    path.join(nodeFolder, 'node_modules/npm/bin/npm-cli.js'),
    path.join(nodeFolder, '../lib/node_modules/npm/bin/npm-cli.js'),
    path.join(nodeFolder, '../share/npm/bin/npm-cli.js'),
  ];
  const script = candidates.find(
    (candidate) => candidate !== undefined && candidate.endsWith('.js') && existsSync(candidate),
  );
  return script === undefined
    ? { program: 'npm', firstArguments: [] }
    : { program: process.execPath, firstArguments: [script] };
}

/** Run a script's main function: a {@link ToolError} is told in one line, anything else with its stack. */
export async function runMain(main) {
  try {
    process.exitCode = (await main(process.argv.slice(2))) ?? 0;
  } catch (error) {
    say(error instanceof ToolError ? `error: ${error.message}` : String(error?.stack ?? error));
    process.exitCode = 1;
  }
}

/** Whether this module is the script that Node was started with. */
export function isStartedAs(moduleUrl) {
  return (
    process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(moduleUrl)
  );
}

function missingProgram(program, error) {
  if (error.code !== 'ENOENT') return error;
  return new ToolError(
    `${program}: expected this program on the path, it is not there; install it`,
  );
}
