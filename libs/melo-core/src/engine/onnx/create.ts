/** The engine on onnxruntime-node, which is loaded here and nowhere else. */
import { UnavailableError } from '#core/errors';
import { memoryAllowedBytes } from '../machine.ts';
import type { TrainingEngine } from '../types.ts';
import { loadOnnxMultiTaskModel } from './multi-task-model.ts';
import { loadOnnxModel } from './onnx-model.ts';
import type { OnnxRuntime } from './sessions.ts';

type OnnxModule = typeof import('onnxruntime-node');

interface LoadedRuntime {
  readonly runtime: OnnxRuntime;
  readonly version: string;
}

async function loadRuntime(): Promise<LoadedRuntime> {
  // Its builds since 1.29 report each process and model to their maker, and leave an identifier behind, unless this is set.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  try {
    // It is CommonJS: a loader may show it as the default, or its names alone.
    const loaded: OnnxModule & { readonly default?: OnnxModule } = await import('onnxruntime-node');
    const runtime = loaded.default ?? loaded;
    return { runtime, version: runtime.env.versions.node ?? 'of unknown version' };
  } catch (cause) {
    throw new UnavailableError(
      'ENGINE_UNAVAILABLE',
      `onnxruntime-node: expected it to load on ${process.platform}-${process.arch}, it did not; ` +
        'install again with npm ci on a platform with glibc (its package has no musl build)',
      { platform: process.platform, arch: process.arch },
      { cause },
    );
  }
}

/**
 * Start the engine.
 *
 * @param options - `threads` of one operator; `cacheDirectory` for graphs and weights, see onnx/weights.ts; `memoryBytes` that
 *   a step may count on, what this process may use where it is left out; `isAlone`: whether nothing else is to compute on this
 *   machine meanwhile, so that idle threads wait awake; no where it is left out; `profilePrefix`: where onnxruntime's profiler writes, a path that it completes when the model is
 *   disposed of
 * @throws UnavailableError ENGINE_UNAVAILABLE where onnxruntime-node cannot be loaded
 */
export async function createOnnxEngine(options: {
  readonly threads: number;
  readonly cacheDirectory: string;
  readonly memoryBytes?: number;
  readonly isAlone?: boolean;
  readonly profilePrefix?: string;
}): Promise<TrainingEngine> {
  const { memoryBytes = memoryAllowedBytes(), isAlone = false } = options;
  const common = { ...options, memoryBytes, isAlone };
  const { runtime, version } = await loadRuntime();
  return {
    name: 'onnx',
    device: 'cpu',
    library: `onnxruntime-node ${version}`,
    load: (backbone, specification) =>
      loadOnnxModel({ ...common, runtime, backbone, specification }),
    loadMultiTask: (backbone) => loadOnnxMultiTaskModel({ ...common, runtime, backbone }),
  };
}
