/** Measures adapters on the union of the hospitals' held-out images, by the estimator that the coordinator uses too. */
import { decodeAdapterFile } from '#core/adapter';
import { createEngine, loadBackbone } from '#core/engine';
import { summarizeScores } from '#core/evaluation';
import type { Preprocessing } from '#core/protocol';
import { evaluate, type LabelledImages } from '#core/training';
import { decodeImage } from '../../apps/site-agent/src/data/decode-image.ts';
import { normaliseImage } from '../../apps/site-agent/src/data/normalise.ts';
import type { HeldOutImage } from './hospitals.ts';
import type { Figures } from './outcome.ts';

/** Pixels kept between two adapters take so many bytes at most. */
const keptBytesMax = 512 * 1024 * 1024;

/** The images, decoded once where they are few. */
function labelledImages(
  images: readonly HeldOutImage[],
  preprocessing: Preprocessing,
): LabelledImages {
  const kept = new Map<number, Float32Array>();
  const bytes = images.length * 12 * preprocessing.imageSize ** 2;
  return {
    count: images.length,
    labels: images.map(({ label }) => label),
    load: async (index) => {
      const known = kept.get(index);
      if (known !== undefined) return known;
      const decoded = await decodeImage(images[index]?.file ?? '', preprocessing);
      const pixels = normaliseImage(decoded, preprocessing);
      if (bytes <= keptBytesMax) kept.set(index, pixels);
      return pixels;
    },
  };
}

/** Measure every adapter, in order, on the same images. */
export async function measureAdapters(options: {
  readonly adapters: ReadonlyMap<string, Uint8Array>;
  readonly backbone: string;
  readonly images: readonly HeldOutImage[];
  readonly preprocessing: Preprocessing;
  readonly cacheDirectory: string;
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly onMeasured: (task: string) => void;
}): Promise<Map<string, Figures>> {
  const { cacheDirectory, threads, signal } = options;
  const figures = new Map<string, Figures>();
  const [first] = options.adapters.values();
  if (first === undefined) return figures;
  const { specification } = decodeAdapterFile(first);
  const engine = await createEngine({ engine: 'onnx', threads, cacheDirectory });
  const backbone = await loadBackbone(options.backbone);
  const model = await engine.load(backbone, specification);
  const images = labelledImages(options.images, options.preprocessing);
  const classes = specification.classes.length;
  try {
    for (const [task, bytes] of options.adapters) {
      const adapter = decodeAdapterFile(bytes).values;
      const report = await evaluate({ model, images, adapter, classes, signal, batchSize: 32 });
      const { macroAuc, accuracy } = summarizeScores(report);
      figures.set(task, { auc: macroAuc, accuracy });
      options.onMeasured(task);
    }
  } finally {
    await model.dispose();
    await backbone.close();
  }
  return figures;
}
