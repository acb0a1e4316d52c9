/** `npm run failures`: every call of one round fails once; `-- --help` says what it takes. */
import { parseArgs } from 'node:util';
import { ensureBuilt } from './build.mjs';
import { withPostgres } from './support/postgres.mjs';
import { isStartedAs, runMain } from './support/process.mjs';
import { reportedCommand, reportOfProject, wholeNumber } from './support/reported-run.mjs';

const usage = `Usage: npm run failures -- [options]

Plays one round of three sites again and again, in this process. Each time one call of the coordinator fails, of its database
or of a file: a full or broken disk, a serialisation failure, a connection lost before, amid or after the call. Every time
the round must end cleanly, with nothing lost that was acknowledged.

  --database D       pglite (default) or postgresql, a server of its own
  --scenario S       round (default), or start: a stop and a start amid a round, of which a call fails
  --every N          every Nth call only (default 1)
  --rotate           one way a call, in turn, instead of every way that fits it
  --restart-every N  start the coordinator again right after every Nth failure (default 10, 0 never)
  --only TEXT        calls alone whose name has this text in it
  --json             the last line is one JSON object
  --help             this text

Exit codes: 0 nothing was broken, 1 otherwise, 2 wrong usage.
`;
/** Failures in one process: every coordinator with the embedded database takes memory that it never gives back. */
const failuresPerProcess = 150;

/** Read the command line, or say what is wrong with it. */
function readOptions(scriptArguments) {
  const { values } = parseArgs({
    args: scriptArguments,
    options: {
      database: { type: 'string', default: 'pglite' },
      scenario: { type: 'string', default: 'round' },
      every: { type: 'string', default: '1' },
      rotate: { type: 'boolean', default: false },
      'restart-every': { type: 'string', default: '10' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { database, scenario, rotate, only = null, json, help } = values;
  if (!['pglite', 'postgresql'].includes(database)) {
    throw new Error(`--database: expected pglite or postgresql, got ${database}`);
  }
  if (!['round', 'start'].includes(scenario)) {
    throw new Error(`--scenario: expected round or start, got ${scenario}`);
  }
  const every = wholeNumber('--every', values.every, 1);
  const restartEvery = wholeNumber('--restart-every', values['restart-every'], 0);
  const ways = rotate ? 'rotating' : 'all';
  return { database, scenario, every, restartEvery, ways, only, json, help };
}

/** Run on one database and return the report; null where the run itself failed. */
async function runFailures({ database, json: _json, help: _help, ...options }) {
  await ensureBuilt();
  const run = (url) => runParts(options, url);
  const report = await (database === 'pglite' ? run('') : withPostgres(run));
  return report === null ? null : { ...report, database };
}

async function runParts(options, url) {
  let whole = null;
  for (let from = 0; whole === null || from < whole.planned; from += failuresPerProcess) {
    const part = await runPart({ ...options, part: { from, count: failuresPerProcess } }, url);
    if (part === null) return null;
    whole = whole === null ? part : added(whole, part);
  }
  return whole;
}

async function runPart(options, url) {
  const environment = { DATABASE_URL: url };
  const ran = await reportOfProject('failures', {
    variable: 'MELO_FAILURES',
    options,
    environment,
  });
  return ran === null ? null : { ...ran.report, isWhole: ran.isPassed };
}

function added(left, right) {
  const failed = { ...left.failed };
  for (const [way, count] of Object.entries(right.failed)) failed[way] = (failed[way] ?? 0) + count;
  return {
    ...left,
    failed,
    rounds: left.rounds + right.rounds,
    restarts: left.restarts + right.restarts,
    abandoned: left.abandoned + right.abandoned,
    violations: [...left.violations, ...right.violations],
    isWhole: left.isWhole && right.isWhole,
  };
}

/** What a report comes to, in a line. */
function describeFailures({ database, calls, failed, restarts, abandoned, violations }) {
  const count = Object.values(failed).reduce((sum, each) => sum + each, 0);
  return (
    `${database}: ${calls} calls a round, ${count} of them failed in turn, ${restarts} restarts, ` +
    `${abandoned} attempts abandoned, ${violations.length} violations`
  );
}

/** The command itself; returns its exit status. */
export function failuresCommand(scriptArguments) {
  const command = {
    ...{ usage, readOptions, run: runFailures, describe: describeFailures },
    isClean: ({ isWhole, violations }) => isWhole && violations.length === 0,
  };
  return reportedCommand(command, scriptArguments);
}

if (isStartedAs(import.meta.url)) await runMain(failuresCommand);
