/** What interrupted work leaves on the disk: a restart has to clear it away. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CrashFederation } from './crash-federation.ts';
import type { Violations } from './violations.ts';

/** Rounds whose work an agent may keep: the one under way, and the one whose update is just leaving. */
const workFoldersMax = 2;

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** Look through the folders of a federation that was started and stopped in order once more. */
export async function checkLeftovers(
  federation: CrashFederation,
  sites: readonly string[],
  violations: Violations,
): Promise<{ readonly blobs: number; readonly bytes: number }> {
  const data = federation.dataDirectory;
  const folders = [
    ...['blobs', 'uploads', 'keys'].map((name) => join(data, name)),
    ...sites.map((site) => join(federation.directory, site, 'data')),
  ];
  for (const folder of folders) {
    const odd = (await filesBelow(folder)).filter((file) => /\.(?:tmp|damaged)$/.test(file));
    if (odd.length > 0)
      violations.add('piled-up', `${odd.length} files such as ${odd[0] ?? ''} in ${folder}`);
  }
  for (const site of sites) await checkSite(federation, site, violations);
  const blobs = await filesBelow(join(data, 'blobs'));
  let bytes = 0;
  for (const blob of blobs) bytes += (await readFile(blob)).length;
  return { blobs: blobs.length, bytes };
}

async function checkSite(
  federation: CrashFederation,
  site: string,
  violations: Violations,
): Promise<void> {
  const work = join(federation.directory, site, 'data', 'work');
  for (const task of await readdir(work)) {
    const rounds = await readdir(join(work, task));
    if (rounds.length > workFoldersMax)
      violations.add('piled-up', `${site} keeps the work of ${rounds.length} rounds of ${task}`);
  }
  const log = await readFile(join(federation.directory, `${site}.log`), 'utf8');
  if (log.includes('VERSION_FORK')) violations.add('fork', `${site} saw a fork; see its log`);
}
