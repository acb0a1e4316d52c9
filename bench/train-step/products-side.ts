/**
 * How fast onnxruntime multiplies matrices on this machine at its best: weights that are constants, packed once as its products
 * read them, and threads that wait awake between products.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { GraphBuilder } from '#core/engine/onnx';
import { seededRng } from '#core/rng';
import { sideOptionsSchema } from './messages.ts';
import { productChains, type ProductChain } from './products.ts';
import { serve } from './serve.ts';

/** Numbers small enough that a chain of products stays finite. */
function smallNumbers(count: number, width: number): Float32Array {
  const rng = seededRng(`product/${count}`);
  return new Float32Array(count).map(() => (rng.nextFloat() - 0.5) / Math.sqrt(width));
}

/** A graph that is one chain; products of one shape share their weight. */
function chainGraph({ rows, widths }: ProductChain): Uint8Array {
  const graph = new GraphBuilder();
  let value = graph.input('x', [rows, widths[0] ?? 0]);
  for (let at = 1; at < widths.length; at++) {
    const [inputs, outputs] = [widths[at - 1] ?? 0, widths[at] ?? 0];
    const numbers = smallNumbers(inputs * outputs, inputs);
    const weight = graph.floats(`w_${inputs}_${outputs}`, numbers, [inputs, outputs]);
    value = graph.op('MatMul', [value, weight]);
  }
  graph.output('y', value, [rows, widths.at(-1) ?? 0]);
  return graph.encode();
}

async function main(): Promise<void> {
  const options = sideOptionsSchema.parse(JSON.parse(process.argv[2] ?? ''));
  const startMs = performance.now();
  await mkdir(options.cacheDirectory, { recursive: true });
  const runs: (() => Promise<void>)[] = [];
  for (const [index, chain] of productChains(options.shape, options.batch).entries()) {
    const path = join(options.cacheDirectory, `products-${index}.onnx`);
    await writeFile(path, chainGraph(chain));
    const session = await InferenceSession.create(path, {
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    });
    const { rows, widths } = chain;
    const width = widths[0] ?? 0;
    const feeds = { x: new Tensor('float32', smallNumbers(rows * width, 1), [rows, width]) };
    runs.push(async () => {
      const { y } = await session.run(feeds);
      y?.dispose();
    });
  }
  let turn = 0;
  const startSeconds = (performance.now() - startMs) / 1000;
  // One chain a step, in turn: the benchmark knows their order.
  await serve({ library: 'onnxruntime MatMul', startSeconds }, async () => {
    await runs[turn % runs.length]?.();
    turn += 1;
  });
}

await main();
