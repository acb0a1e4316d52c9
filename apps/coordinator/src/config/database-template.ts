/**
 * What the build keeps of a fresh PGlite folder: making one anew takes seconds of CPU at the first start.
 *
 * It holds what initdb writes and nothing of ours; without it, or with one of another release, PGlite makes its own.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { systemErrorCode } from '../common/durable-files.ts';
import { packageRoot } from '../common/package-info.ts';

const packageSchema = z.object({ version: z.string().regex(/^[\w.-]{1,64}$/) });

/** Tell whether a folder holds a database already. */
export function isDatabaseFolder(folder: string): boolean {
  return existsSync(join(folder, 'PG_VERSION'));
}

/** The template's file name: of the PGlite release in use alone. */
export async function databaseTemplateName(): Promise<string> {
  const pglite = dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite'));
  const description = await readFile(join(pglite, '..', 'package.json'), 'utf8');
  return `pglite-${packageSchema.parse(JSON.parse(description)).version}.tgz`;
}

/** Read the template, or null where the build made none for this release. */
export async function readDatabaseTemplate(
  folder = join(packageRoot, 'dist'),
): Promise<Blob | null> {
  try {
    const bytes = await readFile(join(folder, await databaseTemplateName()));
    return new Blob([new Uint8Array(bytes)], { type: 'application/x-gzip' });
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
