/** `npm run fuzz:api`: requests drawn from the OpenAPI document against a running coordinator; `-- --help` says what it takes. */
import { parseArgs } from 'node:util';
import { isStartedAs, runMain } from './support/process.mjs';
import { ensureSchemathesis } from './support/python.mjs';
import { reportedCommand, reportOfProject, wholeNumber } from './support/reported-run.mjs';

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

async function fuzz({ cases, seed }) {
  const program = await ensureSchemathesis();
  const startMs = performance.now();
  const options = { cases, seed, program };
  const ran = await reportOfProject('fuzz', { variable: 'MELO_FUZZ', options });
  if (ran === null) return null;
  const { report, isPassed } = ran;
  const seconds = Math.round((performance.now() - startMs) / 1000);
  return { ...report, cases, seed, seconds, isClean: report.isClean && isPassed };
}

/** What a report comes to, in a line. */
function describeFuzz({ operations, requests, serverErrors, isClean, seconds }) {
  return (
    `fuzz: ${requests} requests to ${operations} operations in ${seconds} s, ` +
    `${serverErrors.length} server errors, ${isClean ? 'nothing found' : 'see what was found above'}`
  );
}

/** The command itself; returns its exit status. */
export function fuzzCommand(scriptArguments) {
  const isClean = (report) => report.isClean;
  const command = { usage, readOptions, run: fuzz, describe: describeFuzz, isClean };
  return reportedCommand(command, scriptArguments);
}

if (isStartedAs(import.meta.url)) await runMain(fuzzCommand);
