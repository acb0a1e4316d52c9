/** How interop specs run Python: the interpreter of the virtual environment that tools/test-interop.mjs makes. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = path.dirname(fileURLToPath(import.meta.url));

/** The folder of shared data and backbones; interop fails where it is absent. */
export function sharedFolder(): string {
  return path.resolve(folder, '../..', process.env['MELO_SHARED'] ?? '../shared');
}

/** Run a script of this folder and return what it printed. */
export function runPython(script: string, ...scriptArguments: readonly string[]): string {
  const interpreter = process.env['MELO_PYTHON'];
  if (interpreter === undefined) {
    throw new Error(
      'MELO_PYTHON: expected an interpreter with safetensors; run npm run test:interop',
    );
  }
  return execFileSync(interpreter, [path.join(folder, script), ...scriptArguments], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
}
