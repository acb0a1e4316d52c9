/** Our side of the benchmark: one engine in a process of its own, as the agent's trainer has it, and AdamW. */
import { adapterSpecification, initialAdapter } from '#core/adapter';
import { createEngine, loadBackbone, type Batch } from '#core/engine';
import { seededRng } from '#core/rng';
import { adamwStep, freshAdamwState } from '#core/training';
import { sideOptionsSchema, type SideOptions } from './messages.ts';
import { serve } from './serve.ts';

const hyperparameters = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
const learningRate = 1e-3;

/** Normal pixels, and classes in turn. */
function makeBatch({ batch, classes, shape }: SideOptions): Batch {
  const rng = seededRng('train-step');
  const images = new Float32Array(batch * 3 * shape.imageSize ** 2).map(() => rng.nextNormal());
  const targets = new Float32Array(batch * classes);
  for (let b = 0; b < batch; b++) targets[b * classes + (b % classes)] = 1;
  return { count: batch, images, targets };
}

async function main(): Promise<void> {
  const options = sideOptionsSchema.parse(JSON.parse(process.argv[2] ?? ''));
  const { shape, threads, cacheDirectory, rank, isAlone } = options;
  const startMs = performance.now();
  const engine = await createEngine({
    ...{ engine: 'onnx', device: 'cpu', threads, cacheDirectory, isAlone },
  });
  const backbone = await loadBackbone(options.backbone);
  const classes = Array.from({ length: options.classes }, (_, index) => `class ${index}`);
  const { dimension, blocks } = shape;
  const specification = adapterSpecification({ rank, alpha: rank, classes, dimension, blocks });
  const model = await engine.load(backbone, specification);
  const values = initialAdapter(specification, '00'.repeat(32));
  const state = freshAdamwState(values.length);
  const batch = makeBatch(options);
  const ranges = [{ offset: 0, size: values.length }];
  let step = 0;
  const startSeconds = (performance.now() - startMs) / 1000;
  await serve({ library: engine.library, startSeconds, trained: values.length }, async () => {
    const { gradients } = await model.step(batch, values, 'all');
    step += 1;
    adamwStep(values, state, hyperparameters, { gradients, ranges, step, learningRate });
  });
  await model.dispose();
  await backbone.close();
}

await main();
