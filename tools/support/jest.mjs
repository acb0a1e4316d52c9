/** How the scripts of this folder run jest and count what it did. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  packageCommand,
  repositoryFolder,
  runProgram,
  say,
  secondsSince,
  ToolError,
} from './process.mjs';

/** What a run of tests came to. */
export const noTests = Object.freeze({ passed: 0, failed: 0, skipped: 0 });

/** The line that every test command ends with. */
export function formatTotals({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Add what two runs came to. */
export function addTotals(left, right) {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
  };
}

/** The counts in jest's own report; a file that does not load counts as one failure. */
export function totalsOfReport(report) {
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * Run one project of jest.config.mjs and return its counts.
 *
 * A run that ends badly without a failed test (a crash, a limit of time, a worker lost) counts as one failure.
 */
export async function runJestProject(project, options = {}) {
  const { jestArguments = [], environment = {}, limitMinutes = 20 } = options;
  const folder = mkdtempSync(path.join(tmpdir(), 'melo-jest-'));
  const reportFile = path.join(folder, 'report.json');
  const startMs = performance.now();
  try {
    const { status } = await runProgram(
      process.execPath,
      [...nodeArguments, ...commonArguments(project, reportFile), ...jestArguments],
      { environment, limitMs: limitMinutes * 60_000 },
    );
    const totals = readTotals(reportFile);
    const isCrash = status !== 0 && totals.failed === 0;
    const counted = isCrash ? { ...totals, failed: 1 } : totals;
    if (isCrash) say(`${project}: jest ended with status ${status} without a failed test`);
    say(`${project}: ${formatTotals(counted)} in ${secondsSince(startMs)}\n`);
    return counted;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Print the line of totals as the last one and return the exit status that goes with it. */
export function concludeTests(totals) {
  process.stdout.write(`${formatTotals(totals)}\n`);
  return totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

/** The folder of shared data and backbones, or undefined where it is absent. */
export function findSharedFolder() {
  const configured = process.env.MELO_SHARED;
  const folder = path.resolve(repositoryFolder, configured ?? '../shared');
  if (existsSync(path.join(folder, 'backbones'))) return folder;
  if (configured === undefined) return undefined;
  throw new ToolError(`MELO_SHARED: expected a folder with backbones/, got ${configured}`);
}

const nodeArguments = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];

function commonArguments(project, reportFile) {
  return [
    packageCommand('jest', 'bin/jest.js'),
    '--selectProjects',
    project,
    '--passWithNoTests',
    '--json',
    `--outputFile=${reportFile}`,
  ];
}

function readTotals(reportFile) {
  if (!existsSync(reportFile)) return noTests;
  return totalsOfReport(JSON.parse(readFileSync(reportFile, 'utf8')));
}
