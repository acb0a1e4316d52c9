/** The backbone that the demo's sites hold: another one by its folder, or this repository's own. */
import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { packageRoot } from '../../test/support/package-root.ts';
import { UsageError } from './options.ts';

const ownBackbone = join(packageRoot, 'tools', 'nano', 'backbone');

/**
 * The folder of the backbone for every site. This repository's own is copied into the work folder, for a backbone has the
 * name of its folder, and adapters carry it in their cards.
 *
 * @throws UsageError where the folder that was named holds no ViT
 */
export async function layOutBackbone(
  named: string | undefined,
  workDirectory: string,
): Promise<string> {
  const directory = resolve(named ?? ownBackbone);
  if (!existsSync(join(directory, 'model.safetensors'))) {
    throw new UsageError(
      `demo: expected model.safetensors and config.json in ${directory}; name the folder of a ViT by --backbone`,
    );
  }
  if (named !== undefined) return directory;
  const copy = join(workDirectory, 'nano');
  await cp(directory, copy, { recursive: true });
  return copy;
}
