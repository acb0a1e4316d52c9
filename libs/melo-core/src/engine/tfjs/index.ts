/** The engine on TensorFlow.js: the independent check of the other, and the one for a GPU through TensorFlow. */
import type { SelectedEngine } from '../types.ts';
import { startTfjs } from './backends.ts';
import type { TfjsOptions } from './backends.ts';
import { loadTfjsMultiTaskModel } from './multi-task-model.ts';
import { loadTfjsModel } from './tfjs-model.ts';

export { tfjsBackends } from './backends.ts';
export type { TfjsBackend, TfjsOptions } from './backends.ts';

/**
 * Start the engine on the first backend that works here.
 *
 * @param options - where it may compute, with how many threads; `backends` to try those alone
 * @throws UnavailableError ENGINE_UNAVAILABLE where none works, with the reason of each
 */
export async function createTfjsEngine(options: TfjsOptions): Promise<SelectedEngine> {
  const runtime = await startTfjs(options);
  const { device, library, selection } = runtime;
  const { keptBytesMax } = options;
  return {
    name: 'tfjs',
    device,
    library,
    selection,
    load: (backbone, specification) =>
      loadTfjsModel({ runtime, backbone, specification, keptBytesMax }),
    loadMultiTask: (backbone) => loadTfjsMultiTaskModel({ runtime, backbone }),
  };
}
