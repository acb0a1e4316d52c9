/** Writes a backbone of random weights at real shapes, some megabytes at a time: ViT-G is 7.4 GB. */
import { mkdir, open, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { timmPlainConfig } from '#core/backbone';
import { seededRng } from '#core/rng';
import { tokensOf } from './flops.ts';
import type { Shape } from './messages.ts';

/** Numbers that repeat over and over: a prime, so that no two rows of a matrix are alike. */
const poolSize = 65_521;
/** Mean and deviation of the pixels. */
const half = [0.5, 0.5, 0.5] as const;

interface PlannedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Values are uniform in centre - bound to centre + bound. */
  readonly centre: number;
  readonly bound: number;
}

const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/** A matrix has variance 1 / inputs, so that activations keep their size. */
function matrix(name: string, shape: readonly number[]): PlannedTensor {
  return {
    name: `${name}.weight`,
    shape,
    centre: 0,
    bound: Math.sqrt(3 / sizeOf(shape.slice(1))),
  };
}

const small = (name: string, shape: readonly number[]): PlannedTensor => ({
  name,
  shape,
  centre: 0,
  bound: 0.1,
});

function norm(name: string, size: number): PlannedTensor[] {
  const gain = { name: `${name}.weight`, shape: [size], centre: 1, bound: 0.1 };
  return [gain, small(`${name}.bias`, [size])];
}

function linear(name: string, outputs: number, inputs: number): PlannedTensor[] {
  return [matrix(name, [outputs, inputs]), small(`${name}.bias`, [outputs])];
}

/** The tensors of timm's file, in its order. */
function plannedTensors(shape: Shape): PlannedTensor[] {
  const { dimension, mlpDimension, blocks, patchSize } = shape;
  const tensors = [
    small('cls_token', [1, 1, dimension]),
    small('pos_embed', [1, tokensOf(shape), dimension]),
    matrix('patch_embed.proj', [dimension, 3, patchSize, patchSize]),
    small('patch_embed.proj.bias', [dimension]),
  ];
  for (let index = 0; index < blocks; index++) {
    const block = `blocks.${index}`;
    tensors.push(
      ...norm(`${block}.norm1`, dimension),
      ...linear(`${block}.attn.qkv`, 3 * dimension, dimension),
      ...linear(`${block}.attn.proj`, dimension, dimension),
      ...norm(`${block}.norm2`, dimension),
      ...linear(`${block}.mlp.fc1`, mlpDimension, dimension),
      ...linear(`${block}.mlp.fc2`, dimension, mlpDimension),
    );
  }
  return [...tensors, ...norm('norm', dimension)];
}

/** The head of a safetensors file: its length, then JSON filled up with spaces to a multiple of 64 bytes. */
function fileHead(tensors: readonly PlannedTensor[]): Uint8Array {
  let offset = 0;
  const entries = tensors.map(({ name, shape }) => {
    const from = offset;
    offset += 4 * sizeOf(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [from, offset] }];
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  const text = new TextEncoder().encode(json.padEnd(64 * Math.ceil((json.length + 8) / 64) - 8));
  const head = new Uint8Array(8 + text.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(text.length), true);
  head.set(text, 8);
  return head;
}

/** Write a tensor from some place of the pool on; return the place behind it. */
async function writeTensor(
  file: FileHandle,
  { shape, centre, bound }: PlannedTensor,
  pool: Float32Array,
  start: number,
): Promise<number> {
  let place = start;
  for (let left = sizeOf(shape); left > 0;) {
    const count = Math.min(left, poolSize - place);
    const values = pool.slice(place, place + count).map((value) => centre + bound * value);
    await file.write(new Uint8Array(values.buffer));
    left -= count;
    place = (place + count) % poolSize;
  }
  return place;
}

/** Bytes of the backbone's weights in float32. */
export function weightsBytes(shape: Shape): number {
  return plannedTensors(shape).reduce((sum, tensor) => sum + 4 * sizeOf(tensor.shape), 0);
}

/** Write `model.safetensors` and `config.json` into a folder, made where it is missing. */
export async function writeRandomBackbone(directory: string, shape: Shape): Promise<void> {
  await mkdir(directory, { recursive: true });
  const rng = seededRng('random-weights');
  const pool = new Float32Array(poolSize).map(() => 2 * rng.nextFloat() - 1);
  const tensors = plannedTensors(shape);
  const file = await open(join(directory, 'model.safetensors'), 'w');
  try {
    await file.write(fileHead(tensors));
    let place = 0;
    for (const tensor of tensors) place = await writeTensor(file, tensor, pool, place);
  } finally {
    await file.close();
  }
  await writeFile(
    join(directory, 'config.json'),
    JSON.stringify(timmPlainConfig(shape.name, { ...shape, mean: half, std: half })),
  );
}
