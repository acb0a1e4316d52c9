/** How the scripts of this folder run a program of dist/. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ensureBuilt } from '../build.mjs';
import { repositoryFolder, runProgram, ToolError } from './process.mjs';

const outputFolder = path.join(repositoryFolder, 'dist');

/** Build what is stale, run one file of dist/ and return its exit status. */
export async function runBuiltScript(file, scriptArguments) {
  await ensureBuilt();
  const script = path.join(outputFolder, file);
  if (!existsSync(script)) {
    throw new ToolError(`${file}: expected this program in dist/, it is not part of this release`);
  }
  const { status } = await runProgram(process.execPath, [script, ...scriptArguments]);
  return status;
}

/** The names of the programs directly in a folder of dist/. */
export function listBuiltScripts(folder) {
  const absolute = path.join(outputFolder, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute)
    .filter((name) => name.endsWith('.js'))
    .map((name) => name.slice(0, -'.js'.length))
    .sort();
}
