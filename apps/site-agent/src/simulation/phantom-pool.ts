/** Draws the images of a simulation's phantoms into a folder for each class, as any other images lie there; once for the same wish. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { seededRng } from '#core/rng';
import { drawPhantom, phantomClasses, phantomSide, projectPhantom } from './phantoms.ts';
import type { PhantomPlan } from './plan.ts';
import { expose, scannerLook } from './scanner-look.ts';

/** Names a phantom patient in a file's name, as `groupRegex` takes it. */
export const phantomGroupRegex = '^(phantom-\\d+)-';

const raw = { width: phantomSide, height: phantomSide, channels: 1 } as const;

/**
 * Draw the images below `directory`; patients have one to three each, and the classes take turns.
 *
 * @returns the folder of the images
 */
export async function drawPhantomPool(
  directory: string,
  options: Pick<PhantomPlan, 'images' | 'seed' | 'difficulty'> & {
    readonly signal: AbortSignal;
    readonly onImage: (done: number, total: number) => void;
  },
): Promise<string> {
  const { images, seed, difficulty, signal, onImage } = options;
  const folder = join(directory, `phantoms-${images}-${seed}-${difficulty}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.part`;
  await rm(unfinished, { recursive: true, force: true });
  for (const kind of phantomClasses) await mkdir(join(unfinished, kind), { recursive: true });
  const root = `melo/simulation/${seed}`;
  const look = scannerLook(0, seededRng(`${root}/scanner`));
  let done = 0;
  for (let patient = 1; done < images; patient++) {
    const kind = phantomClasses[patient % phantomClasses.length] ?? 'normal';
    const name = `phantom-${String(patient).padStart(5, '0')}`;
    const rng = seededRng(`${root}/${name}`);
    const phantom = drawPhantom(rng, kind, difficulty);
    const own = Math.min(images - done, 1 + rng.nextInteger(3));
    for (let image = 1; image <= own; image++) {
      signal.throwIfAborted();
      const pixels = expose(projectPhantom(phantom, rng), look, rng);
      const file = join(unfinished, kind, `${name}-${image}.png`);
      await sharp(pixels, { raw }).toColourspace('b-w').png({ compressionLevel: 6 }).toFile(file);
      done += 1;
      onImage(done, images);
    }
  }
  await rename(unfinished, folder); // whole or not there
  return folder;
}
