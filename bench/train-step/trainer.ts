/** A model and AdamW on random images: what one training step of the benchmark is. */
import { adapterSpecification, initialAdapter } from '#core/adapter';
import { loadBackbone, type Batch, type TrainingEngine } from '#core/engine';
import { seededRng } from '#core/rng';
import { adamwStep, freshAdamwState } from '#core/training';
import type { SideOptions } from './messages.ts';

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

/** What {@link withTrainer} hands out. */
export interface Trainer {
  /** Numbers that are trained. */
  readonly trained: number;
  /** Forward, loss, backward and AdamW. */
  readonly step: () => Promise<void>;
}

/** Load the model, run, and free it. */
export async function withTrainer(
  engine: TrainingEngine,
  options: SideOptions,
  run: (trainer: Trainer) => Promise<void>,
): Promise<void> {
  const backbone = await loadBackbone(options.backbone);
  const { rank } = options;
  const { dimension, blocks } = options.shape;
  const classes = Array.from({ length: options.classes }, (_, index) => `class ${index}`);
  const specification = adapterSpecification({ rank, alpha: rank, classes, dimension, blocks });
  const model = await engine.load(backbone, specification);
  const values = initialAdapter(specification, '00'.repeat(32));
  const state = freshAdamwState(values.length);
  const ranges = [{ offset: 0, size: values.length }];
  const batch = makeBatch(options);
  let taken = 0;
  const step = async (): Promise<void> => {
    const { gradients } = await model.step(batch, values, 'all');
    taken += 1;
    adamwStep(values, state, hyperparameters, { gradients, ranges, step: taken, learningRate });
  };
  try {
    await run({ trained: values.length, step });
  } finally {
    await model.dispose();
    await backbone.close();
  }
}
