/** The backbone of a simulation: a folder, or the small one of the repository; and what a task says of it. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprintBackbone } from '#core/backbone';
import { loadBackbone } from '#core/engine';
import { InputError } from '#core/errors';
import { preprocessingSchema } from '#core/protocol';
import type { TaskBasis } from './columns.ts';

/** Find a folder of this repository above the program: built or not, it lies below the package. */
function findAbove(from: string, relative: string): string | null {
  const folder = join(from, relative);
  if (existsSync(folder)) return folder;
  return dirname(from) === from ? null : findAbove(dirname(from), relative);
}

/**
 * The folder of a plan's backbone.
 *
 * @throws InputError CONFIG_INVALID where `nano` is not there
 */
export function backboneFolder(named: string): string {
  if (named !== 'nano') return named;
  const folder = findAbove(dirname(fileURLToPath(import.meta.url)), 'tools/nano/backbone');
  if (folder !== null) return folder;
  throw new InputError(
    'CONFIG_INVALID',
    'backbone: expected tools/nano/backbone of the repository for `nano`, it is not part of this installation; name the folder of a ViT',
  );
}

/** What a task says of a plan's backbone, and how images become its input. */
export async function backboneBasis(named: string): Promise<Omit<TaskBasis, 'classes'>> {
  const folder = backboneFolder(named);
  const name = named === 'nano' ? 'nano' : basename(folder);
  const backbone = await loadBackbone(folder);
  try {
    const { dimension, blocks, patchSize, imageSize, mean, std } = backbone.configuration;
    const fingerprint = await fingerprintBackbone(backbone);
    return {
      backbone: { name, fingerprint, dimension, blocks, patchSize, imageSize },
      preprocessing: preprocessingSchema.parse({
        ...{ version: 1, imageSize, resize: 'fill', crop: 'none', kernel: 'cubic' },
        ...{ channels: 'rgb', mean, std },
      }),
    };
  } finally {
    await backbone.close();
  }
}
