/**
 * Matrix products as each backend does them well, with their derivatives where the backend needs help.
 *
 * Letters: N rows, I and O features in and out, G pairs of matrices. WebAssembly multiplies a single plain pair at 11 GFLOP/s
 * and everything else (a transposed side, many pairs at once) at 1: there, transposes are made apart and pairs go one by one.
 * tf.fused.matMul would add the bias for free, but its gradient makes dW as well, which no one wants of a frozen W.
 */
import type { GradSaveFunc, Tensor } from '@tensorflow/tfjs-core';
import { assert } from '#core/errors';
import type { Tfjs, TfjsBackend } from './backends.ts';

/** y = x W^T for a W that is not trained. */
export type FrozenProduct = (x: Tensor) => Tensor;

/** A frozen matrix on the backend. */
export interface FrozenMatrix {
  /** (N,I) to (N,O). */
  readonly apply: FrozenProduct;
  readonly tensors: readonly Tensor[];
}

/** The products of one backend. */
export interface Products {
  /** Put W (O,I), row-major, on the backend. */
  freeze(values: Float32Array, shape: readonly [number, number]): FrozenMatrix;
  /** a b of each pair, (G...,N,K) by (G...,K,O), with gradients to both. */
  multiply(a: Tensor, b: Tensor): Tensor;
  /** a b^T of each pair, (G...,N,K) by (G...,O,K), with gradients to both. */
  multiplyTransposed(a: Tensor, b: Tensor): Tensor;
}

/**
 * Choose the products of a backend.
 *
 * @param tf - the backend's API
 * @param backend - its name
 */
export function productsOf(tf: Tfjs, backend: TfjsBackend): Products {
  return backend === 'wasm' ? wasmProducts(tf) : plainProducts(tf);
}

function plainProducts(tf: Tfjs): Products {
  return {
    freeze: (values, shape) => {
      const weight = tf.tensor(values, [...shape]); // (O,I)
      return { apply: (x) => tf.matMul(x, weight, false, true), tensors: [weight] };
    },
    multiply: (a, b) => tf.matMul(a, b),
    multiplyTransposed: (a, b) => tf.matMul(a, b, false, true),
  };
}

function wasmProducts(tf: Tfjs): Products {
  const multiply = multiplyPairs(tf);
  return {
    freeze: (values, shape) => {
      const weight = tf.tensor(values, [...shape]); // (O,I)
      const transposed = tf.transpose(weight); // (I,O)
      const apply = tf.customGrad((x) => {
        assert(x instanceof tf.Tensor, 'frozen product: expected a tensor');
        return {
          value: tf.matMul(x, transposed),
          gradFunc: (dy: Tensor) => tf.matMul(dy, weight), // dx = dy W
        };
      });
      return { apply, tensors: [weight, transposed] };
    },
    multiply,
    multiplyTransposed: (a, b) => multiply(a, swapLast(tf, b)),
  };
}

/** {@link Products.multiply} with its derivative in products that no side of is transposed. */
function multiplyPairs(tf: Tfjs): (a: Tensor, b: Tensor) => Tensor {
  const product = pairByPair(tf);
  return tf.customGrad((a, b, save) => {
    assert(a instanceof tf.Tensor && b instanceof tf.Tensor, 'product: expected two tensors');
    keep(save, [a, b]);
    return {
      value: product(a, b),
      gradFunc: (dy: Tensor, [savedA, savedB]: Tensor[]) => {
        assert(savedA !== undefined && savedB !== undefined, 'product: expected what was kept');
        return [
          product(dy, swapLast(tf, savedB)), // da = dy b^T
          product(swapLast(tf, savedA), dy), // db = a^T dy
        ];
      },
    };
  });
}

function keep(save: Tensor | GradSaveFunc | undefined, tensors: Tensor[]): void {
  assert(typeof save === 'function', 'product: expected a function that keeps tensors');
  save(tensors);
}

/** Transpose the last two axes. */
function swapLast(tf: Tfjs, x: Tensor): Tensor {
  const axes = x.shape.map((_, axis) => axis);
  const last = axes.length - 1;
  return tf.transpose(x, [...axes.slice(0, -2), last, last - 1]);
}

function pairByPair(tf: Tfjs): (a: Tensor, b: Tensor) => Tensor {
  return (a, b) => {
    const [rows, inner] = lastTwo(a);
    const [, columns] = lastTwo(b);
    const pairs = tf.unstack(tf.reshape(a, [-1, rows, inner]));
    const others = tf.unstack(tf.reshape(b, [-1, inner, columns]));
    const products = pairs.map((pair, index) => {
      const other = others[index];
      assert(other !== undefined, 'product: expected as many matrices on both sides');
      return tf.matMul(pair, other);
    });
    return tf.reshape(tf.stack(products), [...a.shape.slice(0, -2), rows, columns]);
  };
}

function lastTwo(x: Tensor): readonly [number, number] {
  const [rows, columns] = x.shape.slice(-2);
  assert(rows !== undefined && columns !== undefined, 'product: expected matrices');
  return [rows, columns];
}
