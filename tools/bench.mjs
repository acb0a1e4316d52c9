/** `npm run bench -- NAME [--json]`: one benchmark; its last line of output is one JSON object with `--json`. */
import { listBuiltScripts, runBuiltScript } from './support/built.mjs';
import { ensureBuilt } from './build.mjs';
import { withPostgres } from './support/postgres.mjs';
import { runMain, say } from './support/process.mjs';
import { ensurePython } from './support/python.mjs';

const usageStatus = 2;
/** Benchmarks that are nothing without their peer. */
const comparisons = ['switch', 'aggregate'];

await runMain(async ([name, ...scriptArguments]) => {
  await ensureBuilt();
  const names = listBuiltScripts('bench');
  if (name !== undefined && names.includes(name)) {
    const run = () => runBuiltScript(`bench/${name}.js`, scriptArguments);
    if (scriptArguments.includes('--help')) return run();
    // A peer is a Python library: its environment is made first, unless an interpreter is named.
    const hasPeer = scriptArguments.includes('--peer') || comparisons.includes(name);
    if (hasPeer) process.env['MELO_PYTHON'] ??= await ensurePython();
    if (!scriptArguments.includes('postgresql') || process.env['DATABASE_URL'] !== undefined)
      return run();
    // With fsync, as in a hospital: what is measured is what it costs to lose nothing.
    return withPostgres(
      (url) => {
        process.env['DATABASE_URL'] = url;
        return run();
      },
      { isDurable: true },
    );
  }
  const list = names.length === 0 ? 'there is none yet' : names.join(', ');
  say(`bench: expected the name of a benchmark (${list}), got ${name ?? 'none'}`);
  return usageStatus;
});
