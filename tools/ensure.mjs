/**
 * Install the packages of package-lock.json where node_modules lacks them.
 *
 * npm records what it installed in node_modules/.package-lock.json as its last step, so an interrupted installation
 * shows as one that is missing.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  isStartedAs,
  npmCommand,
  repositoryFolder,
  runMain,
  runProgram,
  say,
  timed,
  ToolError,
} from './support/process.mjs';

const minimumNode = [20, 19];

/** Refuse a Node that is older than package.json's `engines`. */
export function checkNodeVersion(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [minimumMajor, minimumMinor] = minimumNode;
  const isNewEnough = major > minimumMajor || (major === minimumMajor && minor >= minimumMinor);
  if (!isNewEnough) {
    throw new ToolError(
      `node: expected version ${minimumNode.join('.')} or newer, got ${version}; install a newer Node`,
    );
  }
}

/** Say why node_modules does not hold what the lock file names, or return undefined where it does. */
export function findStaleReason(lockedPackages, installedPackages) {
  if (installedPackages === undefined) return 'nothing is installed yet';
  for (const [folder, locked] of Object.entries(lockedPackages)) {
    if (folder === '' || locked.link === true) continue;
    const installed = installedPackages[folder];
    // A package of another platform is optional and rightly absent.
    if (installed === undefined && locked.optional !== true) return `${folder} is missing`;
    if (installed !== undefined && installed.version !== locked.version) {
      return `${folder} is ${installed.version} and should be ${locked.version}`;
    }
  }
  return undefined;
}

/** Install what is missing; say nothing where all is there. */
export async function ensureInstalled() {
  checkNodeVersion();
  const locked = readPackages(path.join(repositoryFolder, 'package-lock.json'));
  if (locked === undefined)
    throw new ToolError('package-lock.json: expected this file; clone anew');
  const installedFile = path.join(repositoryFolder, 'node_modules/.package-lock.json');
  const reason = findStaleReason(locked, readPackages(installedFile));
  if (reason === undefined) return;
  say(`install: ${reason}`);
  await timed('install: npm ci', installLocked);
}

async function installLocked() {
  const { program, firstArguments } = npmCommand();
  const { status } = await runProgram(program, [...firstArguments, 'ci', '--include=dev']);
  if (status !== 0) {
    throw new ToolError('npm ci: failed, see above; check the network and the registry of npm');
  }
}

function readPackages(file) {
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}

if (isStartedAs(import.meta.url)) await runMain(ensureInstalled);
