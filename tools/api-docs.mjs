/**
 * `npm run docs:api`: write docs/openapi.json, docs/api.md and libs/api/src/operations.ts from the contracts of the coordinator; a spec
 * checks that they are up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { repositoryFolder, runMain } from './support/process.mjs';

await runMain(async () => {
  await ensureBuilt();
  const module = path.join(repositoryFolder, 'dist/apps/coordinator/src/openapi/written.js');
  const { writtenDocument, writtenOperations, writtenReference } = await import(
    pathToFileURL(module).href
  );
  const page = path.join(repositoryFolder, 'docs/api.md');
  writeFileSync(path.join(repositoryFolder, 'docs/openapi.json'), writtenDocument());
  writeFileSync(path.join(repositoryFolder, 'libs/api/src/operations.ts'), writtenOperations());
  writeFileSync(page, writtenReference(readFileSync(page, 'utf8')));
});
