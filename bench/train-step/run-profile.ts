/** Takes some steps with onnxruntime's profiler on. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnnxEngine } from '#core/engine/onnx';
import type { SideOptions } from './messages.ts';
import { withTrainer } from './trainer.ts';
import { summarise, type Profile } from './profile.ts';

const warmUpSteps = 1;
const steps = 5;

/**
 * Profile steps in this process.
 *
 * @param options - as for our side
 * @param directory - where the profiler may write
 */
export async function runProfile(options: SideOptions, directory: string): Promise<Profile> {
  const { threads, cacheDirectory, isAlone } = options;
  const profilePrefix = join(directory, 'profile');
  const engine = await createOnnxEngine({ threads, cacheDirectory, isAlone, profilePrefix });
  await withTrainer(engine, options, async ({ step }) => {
    for (let at = 0; at < warmUpSteps + steps; at++) await step();
  });
  const file = (await readdir(directory)).find((name) => name.startsWith('profile'));
  if (file === undefined)
    throw new Error('profile: expected a file of the profiler, there is none');
  const events: unknown = JSON.parse(await readFile(join(directory, file), 'utf8'));
  return summarise(events, warmUpSteps + steps, options.batch);
}
