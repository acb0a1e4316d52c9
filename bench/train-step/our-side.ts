/** Our side of the benchmark: one engine in a process of its own, as the agent's trainer has it. */
import { createEngine } from '#core/engine';
import { sideOptionsSchema } from './messages.ts';
import { serve } from './serve.ts';
import { withTrainer } from './trainer.ts';

const options = sideOptionsSchema.parse(JSON.parse(process.argv[2] ?? ''));
const { threads, cacheDirectory, isAlone } = options;
const startMs = performance.now();
const engine = await createEngine({
  ...{ engine: 'onnx', device: 'cpu', threads, cacheDirectory, isAlone },
});
await withTrainer(engine, options, async ({ trained, step }) => {
  const startSeconds = (performance.now() - startMs) / 1000;
  await serve({ library: engine.library, startSeconds, trained }, step);
});
