/** Write docs/errors.md from the catalogue in libs/melo-core/src/errors.ts; a spec checks that it is up to date. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { repositoryFolder, runMain, ToolError } from './support/process.mjs';

const families = [
  ['input', 'Input: the caller or the wire is at fault. Refused; the same request fails again.'],
  ['auth', 'Identity: the peer learns the code and no detail.'],
  ['state', 'Order: not possible at this moment. The caller synchronises and goes on.'],
  ['protocol', 'Protocol: a peer broke it. Recorded, and the update is left out with its reason.'],
  ['privacy', 'Privacy: a budget or floor would be broken. The round stops.'],
  [
    'unavailable',
    'Dependency: something is not there. Retried with a cap and jitter where retryable.',
  ],
  ['invariant', 'Ours: a mistake of this software. The process or the job stops.'],
];
const marker = '<!-- The tables below are written by tools/errors-page.mjs. -->';

await runMain(async () => {
  await ensureBuilt();
  const module = path.join(repositoryFolder, 'dist/libs/melo-core/src/errors.js');
  const { errorCatalog } = await import(pathToFileURL(module).href);
  const page = path.join(repositoryFolder, 'docs/errors.md');
  const [introduction, rest] = readFileSync(page, 'utf8').split(marker);
  if (rest === undefined) throw new ToolError(`docs/errors.md: expected the line ${marker}`);
  const tables = families.map(([family, sentence]) => tableOf(family, sentence, errorCatalog));
  writeFileSync(page, `${introduction}${marker}\n\n${tables.join('\n')}`);
});

function tableOf(family, sentence, catalog) {
  const rows = Object.entries(catalog)
    .filter(([, entry]) => entry.family === family)
    .map(
      ([code, { httpStatus, retryable, publicMessage }]) =>
        `| <a id="${code}"></a>\`${code}\` | ${httpStatus} | ${retryable ? 'yes' : 'no'} | ${publicMessage} |`,
    );
  return `## ${sentence}\n\n| code | HTTP | retryable | what a peer is told |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}
