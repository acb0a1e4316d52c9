/** `npm run crash`: processes killed at random and at every named moment; `-- --help` says what it takes. */
import { runBuiltScript } from './support/built.mjs';
import { withPostgres } from './support/postgres.mjs';
import { runMain } from './support/process.mjs';

const script = 'test/crash/main.js';

await runMain((scriptArguments) => {
  const rest = scriptArguments.filter((argument) => argument !== '--postgres');
  if (rest.length === scriptArguments.length) return runBuiltScript(script, rest);
  return withPostgres((url) => {
    process.env.DATABASE_URL = url;
    return runBuiltScript(script, rest);
  });
});
