/** `npm run fuzz:api`: requests drawn from the OpenAPI document against a running coordinator; `-- --help` says what it takes. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { runJestProject } from './support/jest.mjs';
import { isStartedAs, runMain } from './support/process.mjs';
import { ensureSchemathesis } from './support/python.mjs';

const usage = `Usage: npm run fuzz:api -- [options]

Starts a coordinator with sites, a task and a published version, and lets schemathesis draw requests from its OpenAPI
document: valid ones, ones that are not, and sequences. No answer may be a 5xx, or one that the document does not tell.
Needs Python 3.11 or later with venv; schemathesis is installed into .cache the first time.

  --cases N  requests at least (default 3000)
  --seed N   what decides which requests are drawn (default 1)
  --json     the last line is one JSON object
  --help     this text

Exit codes: 0 nothing was found, 1 otherwise, 2 wrong usage.
`;
const exitCodes = { ok: 0, found: 1, usage: 2 };
const limitMinutes = 180;

function readOptions(scriptArguments) {
  const { values } = parseArgs({
    args: scriptArguments,
    options: {
      cases: { type: 'string', default: '3000' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const cases = wholeNumber('--cases', values.cases, 1);
  const seed = wholeNumber('--seed', values.seed, 0);
  return { cases, seed, json: values.json, help: values.help };
}

function wholeNumber(option, text, least) {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new Error(`${option}: expected a whole number from ${least} on, got ${text}`);
}

async function fuzz({ cases, seed }) {
  const program = await ensureSchemathesis();
  const folder = mkdtempSync(path.join(tmpdir(), 'melo-fuzz-report-'));
  const reportFile = path.join(folder, 'report.json');
  const startMs = performance.now();
  try {
    const { failed } = await runJestProject('fuzz', {
      environment: { MELO_FUZZ: JSON.stringify({ cases, seed, program, reportFile }) },
      limitMinutes,
    });
    if (!existsSync(reportFile)) return null;
    const report = JSON.parse(readFileSync(reportFile, 'utf8'));
    const seconds = Math.round((performance.now() - startMs) / 1000);
    return { ...report, cases, seed, seconds, isClean: report.isClean && failed === 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The command itself; returns its exit status. */
export async function fuzzCommand(scriptArguments) {
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
  const report = await fuzz(options);
  if (report === null) return exitCodes.found;
  const { operations, requests, serverErrors, isClean, seconds } = report;
  process.stdout.write(
    `fuzz: ${requests} requests to ${operations} operations in ${seconds} s, ${serverErrors.length} server errors, ${isClean ? 'nothing found' : 'see what was found above'}\n`,
  );
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  return isClean ? exitCodes.ok : exitCodes.found;
}

if (isStartedAs(import.meta.url)) await runMain(fuzzCommand);
