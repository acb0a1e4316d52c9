/**
 * The forward pass of a ViT with MeLo in plain loops and float64: slow, obvious, and independent of every engine.
 *
 * Each function is the textbook formula; (rows, columns) arrays are row-major.
 */
import type { AdapterLayout } from '#core/adapter';
import type { Backbone, BackboneConfiguration } from '#core/backbone';
import type { Pooling } from '#core/protocol';
import type { Batch } from '../types.ts';

type Numbers = ArrayLike<number>;

const at = (values: Numbers, index: number): number => values[index] ?? Number.NaN;

/** y = x W^T + b, (rows,inputs) x (outputs,inputs)^T. */
function linear(x: Numbers, weight: Numbers, bias: Numbers, inputs: number): Float64Array {
  const outputs = bias.length;
  const rows = x.length / inputs;
  const y = new Float64Array(rows * outputs);
  for (let n = 0; n < rows; n++) {
    for (let o = 0; o < outputs; o++) {
      let sum = at(bias, o);
      for (let i = 0; i < inputs; i++) sum += at(x, n * inputs + i) * at(weight, o * inputs + i);
      y[n * outputs + o] = sum;
    }
  }
  return y;
}

function layerNorm(x: Numbers, gain: Numbers, bias: Numbers, epsilon: number): Float64Array {
  const width = gain.length;
  const y = new Float64Array(x.length);
  for (let n = 0; n < x.length; n += width) {
    let [mean, square] = [0, 0];
    for (let i = 0; i < width; i++) mean += at(x, n + i) / width;
    for (let i = 0; i < width; i++) square += (at(x, n + i) - mean) ** 2 / width;
    for (let i = 0; i < width; i++) {
      y[n + i] = ((at(x, n + i) - mean) / Math.sqrt(square + epsilon)) * at(gain, i) + at(bias, i);
    }
  }
  return y;
}

/** The error function by its series, sum of (-1)^n x^(2n+1) / (n! (2n+1)), times 2 / sqrt pi; exact to 1e-12 for |x| < 4. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const activations: Readonly<Record<BackboneConfiguration['activation'], (x: number) => number>> = {
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  quick_gelu: (x) => x / (1 + Math.exp(-1.702 * x)),
};

/** Turn each head's pairs (i, i + K/2) of each patch by its angles: 2 pi (centre in [-1, 1]) / 100^(4 i / K), row then column. */
function rotate(rows: Numbers, before: number, configuration: BackboneConfiguration): Float64Array {
  const { dimension, heads, imageSize, patchSize, rotaryBase = 100 } = configuration;
  const size = dimension / heads; // K
  const perSide = imageSize / patchSize;
  const turned = Float64Array.from({ length: rows.length }, (_, index) => at(rows, index));
  for (let token = before; token < rows.length / dimension; token++) {
    const centre = [Math.floor((token - before) / perSide), (token - before) % perSide].map(
      (place) => (2 * (place + 0.5)) / perSide - 1,
    );
    for (let pair = 0; pair < (heads * size) / 2; pair++) {
      const i = pair % (size / 2);
      const axis = i < size / 4 ? 0 : 1;
      const angle =
        (2 * Math.PI * at(centre, axis)) / rotaryBase ** ((4 * (i % (size / 4))) / size);
      const one = token * dimension + Math.floor(pair / (size / 2)) * size + i;
      const two = one + size / 2;
      turned[one] = at(rows, one) * Math.cos(angle) - at(rows, two) * Math.sin(angle);
      turned[two] = at(rows, two) * Math.cos(angle) + at(rows, one) * Math.sin(angle);
    }
  }
  return turned;
}

function attention(q: Numbers, k: Numbers, v: Numbers, width: number, heads: number): Float64Array {
  const tokens = q.length / width;
  const size = width / heads;
  const out = new Float64Array(q.length);
  for (let head = 0; head < heads; head++) {
    const place = (token: number, i: number): number => token * width + head * size + i;
    for (let t = 0; t < tokens; t++) {
      const scores = Array.from({ length: tokens }, (_, u) => {
        let dot = 0;
        for (let i = 0; i < size; i++) dot += at(q, place(t, i)) * at(k, place(u, i));
        return Math.exp(dot / Math.sqrt(size));
      });
      const total = scores.reduce((sum, score) => sum + score, 0);
      for (const [u, score] of scores.entries()) {
        for (let i = 0; i < size; i++) {
          out[place(t, i)] = at(out, place(t, i)) + (score / total) * at(v, place(u, i));
        }
      }
    }
  }
  return out;
}

/** Cut one image (3,S,S) into rows of patches (N,3PP), numbers in (channel, row, column) order. */
function patchRows(image: Numbers, imageSize: number, patchSize: number): Float64Array {
  const rows: number[] = [];
  for (let top = 0; top < imageSize; top += patchSize) {
    for (let left = 0; left < imageSize; left += patchSize) {
      for (let channel = 0; channel < 3; channel++) {
        for (let i = 0; i < patchSize; i++) {
          for (let j = 0; j < patchSize; j++) {
            rows.push(at(image, (channel * imageSize + top + i) * imageSize + left + j));
          }
        }
      }
    }
  }
  return Float64Array.from(rows);
}

/** A backbone with its weights read, ready to run without an engine. */
export interface ReferenceModel {
  /** Logits (C) of one image (3,S,S) under an adapter (P). */
  logits(image: Numbers, adapter: Numbers): Float64Array;
  /** The batch's loss, as types.ts defines it: the weighted mean. */
  loss(batch: Batch, adapter: Numbers): number;
}

/** Read a backbone's weights and give its forward pass in float64. */
export async function referenceModel(
  backbone: Backbone,
  layout: AdapterLayout,
  scale: number,
  pooling: Pooling = 'cls',
): Promise<ReferenceModel> {
  const weights = new Map<string, Float32Array>();
  for (const name of backbone.tensors.keys()) weights.set(name, await backbone.read(name));
  const { configuration } = backbone;
  const { dimension, blocks, heads, mlpDimension, patchSize, imageSize, layerNormEpsilon } =
    configuration;
  const activation = activations[configuration.activation];
  const read = configuration.pooling === 'cls-distillation' ? 2 : 1; // tokens whose output is used
  const before = read + (configuration.registers ?? 0); // tokens before the patches
  const weight = (name: string): Float32Array => weights.get(name) ?? new Float32Array(0);
  const add = (a: Numbers, b: Numbers): Float64Array =>
    Float64Array.from({ length: a.length }, (_, index) => at(a, index) + at(b, index));
  const norm = (x: Numbers, name: string): Float64Array =>
    layerNorm(x, weight(`${name}.weight`), weight(`${name}.bias`), layerNormEpsilon);
  const apply = (x: Numbers, name: string, inputs: number): Float64Array => {
    const matrix = weight(`${name}.weight`);
    const bias = weights.get(`${name}.bias`) ?? new Float64Array(matrix.length / inputs);
    return linear(x, matrix, bias, inputs);
  };
  /** A branch times its layer scale, where there is one. */
  const scaled = (branch: Float64Array, name: string): Float64Array => {
    const gamma = weights.get(`${name}.gamma`);
    return gamma === undefined
      ? branch
      : branch.map((value, index) => value * at(gamma, index % dimension));
  };
  const turn = (rows: Float64Array): Float64Array =>
    configuration.positions === 'rotary' ? rotate(rows, before, configuration) : rows;

  const tensor = (adapter: Numbers, name: string): Float64Array => {
    const place = layout.tensors.find((candidate) => candidate.name === name);
    const { offset = 0, size = 0 } = place ?? {};
    return Float64Array.from({ length: size }, (_, index) => at(adapter, offset + index));
  };
  /** y = h W^T + b + s (h A^T) B^T: the branch as the paper draws it, not merged. */
  const adapted = (h: Numbers, adapter: Numbers, name: string): Float64Array => {
    const a = tensor(adapter, `${name}.lora_A`);
    const b = tensor(adapter, `${name}.lora_B`);
    const rank = a.length / dimension;
    const inner = linear(h, a, new Float64Array(rank), dimension);
    const branch = linear(inner, b, new Float64Array(dimension), rank);
    return add(
      apply(h, name, dimension),
      branch.map((value) => scale * value),
    );
  };
  const logits = (image: Numbers, adapter: Numbers): Float64Array => {
    const embedded = apply(
      patchRows(image, imageSize, patchSize),
      'patch_embed.proj',
      3 * patchSize * patchSize,
    );
    const patches = Float64Array.from(embedded);
    let prefix: Float64Array = Float64Array.from([...weight('cls_token'), ...weight('dist_token')]);
    if (configuration.positions === undefined) {
      const table = weight('pos_embed');
      prefix = add(prefix, table);
      patches.set(add(patches, table.subarray(read * dimension)));
    } else if (configuration.positions === 'patches') {
      patches.set(add(patches, weight('pos_embed')));
    }
    let x: Float64Array = Float64Array.from([...prefix, ...weight('reg_token'), ...patches]);
    if (configuration.hasNormBefore === true) x = norm(x, 'norm_pre');
    for (let index = 0; index < blocks; index++) {
      const name = `blocks.${index}`;
      const h = norm(x, `${name}.norm1`);
      const q = adapted(h, adapter, `${name}.attn.q`);
      const k = apply(h, `${name}.attn.k`, dimension);
      const v = adapted(h, adapter, `${name}.attn.v`);
      const o = attention(turn(q), turn(k), v, dimension, heads);
      x = add(x, scaled(apply(o, `${name}.attn.proj`, dimension), `${name}.ls1`));
      const u = apply(norm(x, `${name}.norm2`), `${name}.mlp.fc1`, dimension);
      x = add(x, scaled(apply(u.map(activation), `${name}.mlp.fc2`, mlpDimension), `${name}.ls2`));
    }
    const used =
      pooling === 'mean' ? x.subarray(before * dimension) : x.subarray(0, read * dimension);
    const tokens = norm(used, 'norm');
    const count = tokens.length / dimension;
    const z = Float64Array.from({ length: dimension }, (_, index) => {
      let sum = 0;
      for (let token = 0; token < count; token++) sum += at(tokens, token * dimension + index);
      return sum / count;
    });
    return linear(z, tensor(adapter, 'head.weight'), tensor(adapter, 'head.bias'), dimension);
  };
  const loss = (batch: Batch, adapter: Numbers): number => {
    const { images, targets, count } = batch;
    const imageNumbers = images.length / count;
    let [sum, weight] = [0, 0];
    for (let b = 0; b < count; b++) {
      const row = logits(images.subarray(b * imageNumbers, (b + 1) * imageNumbers), adapter);
      const own = targets.subarray(b * row.length, (b + 1) * row.length);
      if (batch.loss === 'binary-cross-entropy') {
        for (const [c, value] of row.entries()) {
          const share = 1 / (1 + Math.exp(-value));
          const w = batch.weights === undefined ? 1 : at(batch.weights, b * row.length + c);
          sum -= w * (at(own, c) * Math.log(share) + (1 - at(own, c)) * Math.log(1 - share));
          weight += w;
        }
      } else {
        const logTotal = Math.log(row.reduce((total, value) => total + Math.exp(value), 0));
        const w = batch.weights === undefined ? 1 : at(batch.weights, b);
        for (const [c, value] of row.entries()) sum += w * at(own, c) * (logTotal - value);
        weight += w;
      }
    }
    return sum / weight;
  };
  return { logits, loss };
}
