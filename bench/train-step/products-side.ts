/** How fast the machine multiplies the matrices of one block: the measure of what a step could be at best. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { GraphBuilder } from '#core/engine/onnx';
import { seededRng } from '#core/rng';
import { tokensOf } from './flops.ts';
import { sideOptionsSchema, type SideOptions } from './messages.ts';
import { serve } from './serve.ts';

/** Inputs and outputs of the block's products: D to D, D to F, F to D. */
function productShapes({ shape }: SideOptions): readonly (readonly [number, number])[] {
  const { dimension, mlpDimension } = shape;
  return [
    [dimension, dimension],
    [dimension, mlpDimension],
    [mlpDimension, dimension],
  ];
}

/** A graph that is one product, (rows,inputs) x (inputs,outputs). */
function productGraph(inputs: number, outputs: number): Uint8Array {
  const graph = new GraphBuilder();
  const product = graph.op('MatMul', [
    graph.input('x', ['R', inputs]),
    graph.input('w', [inputs, outputs]),
  ]);
  graph.output('y', product, ['R', outputs]);
  return graph.encode();
}

function randomTensor(rows: number, columns: number): Tensor {
  const rng = seededRng(`product/${rows}/${columns}`);
  const values = new Float32Array(rows * columns).map(() => rng.nextFloat() - 0.5);
  return new Tensor('float32', values, [rows, columns]);
}

async function main(): Promise<void> {
  const options = sideOptionsSchema.parse(JSON.parse(process.argv[2] ?? ''));
  const startMs = performance.now();
  const rows = options.batch * tokensOf(options.shape);
  const runs = await Promise.all(
    productShapes(options).map(async ([inputs, outputs]) => {
      const path = join(options.cacheDirectory, `product-${inputs}-${outputs}.onnx`);
      await writeFile(path, productGraph(inputs, outputs));
      const session = await InferenceSession.create(path, {
        intraOpNumThreads: options.threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      const feeds = { x: randomTensor(rows, inputs), w: randomTensor(inputs, outputs) };
      return async () => {
        const { y } = await session.run(feeds);
        y?.dispose();
      };
    }),
  );
  let turn = 0;
  const startSeconds = (performance.now() - startMs) / 1000;
  // One shape a step, in turn: the benchmark knows their order.
  await serve({ library: 'onnxruntime MatMul', startSeconds }, async () => {
    await runs[turn % runs.length]?.();
    turn += 1;
  });
}

await main();
