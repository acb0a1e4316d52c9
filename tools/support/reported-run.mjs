/** What long runs share whose work a jest project does: options, the report that it writes, and how they end. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runJestProject } from './jest.mjs';

const exitCodes = { ok: 0, found: 1, usage: 2 };
const limitMinutes = 180;

/** Read an option that is a whole number from `least` on, or say what is wrong with it. */
export function wholeNumber(option, text, least) {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new Error(`${option}: expected a whole number from ${least} on, got ${text}`);
}

/**
 * Run a project that is given its options in an environment variable and writes a report; null where it wrote none.
 *
 * `isPassed` tells of whatever went wrong beside the report too, a rejection that nobody handled for one.
 */
export async function reportOfProject(project, { variable, options, environment = {} }) {
  const folder = mkdtempSync(path.join(tmpdir(), `melo-${project}-`));
  const reportFile = path.join(folder, 'report.json');
  try {
    const { failed } = await runJestProject(project, {
      environment: { [variable]: JSON.stringify({ ...options, reportFile }), ...environment },
      limitMinutes,
    });
    if (!existsSync(reportFile)) return null;
    return { report: JSON.parse(readFileSync(reportFile, 'utf8')), isPassed: failed === 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The command itself; returns its exit status: 0 nothing was found, 1 otherwise, 2 wrong usage.
 *
 * `run` returns the report or null, `describe` says it in a line, `isClean` whether nothing was found.
 */
export async function reportedCommand(
  { usage, readOptions, run, describe, isClean },
  scriptArguments,
) {
  let options;
  try {
    options = readOptions(scriptArguments);
  } catch (error) {
    process.stderr.write(`${error.message}\n${usage}`);
    return exitCodes.usage;
  }
  if (options.help) {
    process.stdout.write(usage);
    return exitCodes.ok;
  }
  const report = await run(options);
  if (report === null) return exitCodes.found;
  process.stdout.write(`${describe(report)}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  return isClean(report) ? exitCodes.ok : exitCodes.found;
}
