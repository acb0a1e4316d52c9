/** The release this agent belongs to. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const packageSchema = z.object({ name: z.literal('melo-federation'), version: z.string().max(32) });

function findVersion(from: string): string {
  const file = join(from, 'package.json');
  if (existsSync(file)) {
    const parsed = packageSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    if (parsed.success) return parsed.data.version;
  }
  const parent = dirname(from);
  if (parent === from)
    throw new Error('package.json of melo-federation: not found above the agent');
  return findVersion(parent);
}

/** Version of the package, as its package.json has it. */
export const agentVersion = findVersion(dirname(fileURLToPath(import.meta.url)));
