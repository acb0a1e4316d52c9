/** Where the package lies and which version it is, from source and from dist alike. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { InvariantError } from '#core/errors';

function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new InvariantError('package: expected a package.json above');
    folder = parent;
  }
  return folder;
}

/** The package's own folder. */
export const packageRoot = findPackageRoot();

const packageSchema = z.object({ version: z.string() });

/** The package's version. */
export const packageVersion = packageSchema.parse(
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')),
).version;

/** What an adapter's card says made it. */
export const libraryName = `melo-federation ${packageVersion}`;
