/** What the specs of TensorFlow.js share. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createTfjsEngine } from '../tfjs/index.ts';
import type { TfjsBackend } from '../tfjs/index.ts';
import type { SelectedEngine } from '../types.ts';

/** Start TensorFlow.js on one backend and no other. */
export function startOn(backend: TfjsBackend): Promise<SelectedEngine> {
  return createTfjsEngine({ device: 'auto', threads: 2, backends: [backend] });
}

/** Tell whether `npm run tfjs:native` was run here, for one of the two packages. */
export function isAddonBuilt(packageName: string): boolean {
  try {
    const file = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
    return existsSync(join(dirname(file), 'lib/napi-v8/tfjs_binding.node'));
  } catch {
    return false; // the optional package is not installed
  }
}

/** Native TensorFlow, where it is built: a process holds one, so where both are, it is that of the CPU. */
function nativeBackends(): readonly TfjsBackend[] {
  if (isAddonBuilt('@tensorflow/tfjs-node')) return ['tensorflow'];
  return isAddonBuilt('@tensorflow/tfjs-node-gpu') ? ['tensorflow-gpu'] : [];
}

/** The backends that every machine has, and native TensorFlow where it is built. */
export const presentBackends: readonly TfjsBackend[] = ['wasm', ...nativeBackends()];
