/** Where the package stands, and where the read-only collection of images and backbones is, if anywhere. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Walk up to the folder with package.json: the same from test/support and from dist/test/support. */
function findPackageRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('package root: expected a package.json above this file');
  return findPackageRoot(parent);
}

/** The package's own folder. */
export const packageRoot = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

/** The folder of real images and backbones: MELO_SHARED, else ../shared; undefined where it is absent. */
export function sharedDirectory(): string | undefined {
  const named = process.env['MELO_SHARED'];
  const directory = resolve(packageRoot, named ?? join('..', 'shared'));
  return existsSync(join(directory, 'backbones')) ? directory : undefined;
}

/** Make an empty folder for one test or measurement, and a way to remove it (kept where MELO_KEEP=1). */
export async function makeWorkDirectory(
  name: string,
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `melo-${name}-`));
  const remove = async (): Promise<void> => {
    if (process.env['MELO_KEEP'] === '1') return;
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  return { path, remove };
}
