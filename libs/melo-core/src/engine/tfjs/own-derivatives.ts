/**
 * Layer norm and GELU with derivatives of their own.
 *
 * tfjs-core's derivative of a mean fills an array of ones, as large as what is averaged, in JavaScript and copies it to the backend: on a
 * GPU that took more than a third of a step. Its derivative of x Phi(x) goes through the product rule with a copy of every factor.
 */
import type { GradSaveFunc, Tensor } from '@tensorflow/tfjs-core';
import { assert } from '#core/errors';
import type { Tfjs } from './backends.ts';
import type { Constants, NormWeights } from './weights.ts';

/** What a derivative's function is called with: a tensor, and what keeps others for it. */
type Differentiable = (x: Tensor | GradSaveFunc, save?: Tensor | GradSaveFunc) => Made;
/** A value, and its derivative to x for the derivative to the value. */
interface Made {
  readonly value: Tensor;
  readonly gradFunc: (dy: Tensor, saved: Tensor[]) => Tensor;
}

/** Let `make` keep two tensors for its derivative; all else that it makes is freed. */
function withKept(
  tf: Tfjs,
  make: (x: Tensor) => { readonly value: Tensor; readonly kept: readonly [Tensor, Tensor] },
  derivative: (dy: Tensor, first: Tensor, second: Tensor) => Tensor,
): (x: Tensor) => Tensor {
  const differentiable: Differentiable = (x, save) => {
    assert(x instanceof tf.Tensor, 'own derivative: expected a tensor');
    assert(typeof save === 'function', 'own derivative: expected a function that keeps tensors');
    const { value, kept } = make(x);
    save([...kept]);
    return {
      value,
      gradFunc: (dy, [first, second]) => {
        assert(first !== undefined && second !== undefined, 'own derivative: expected two kept');
        return derivative(dy, first, second);
      },
    };
  };
  return tf.customGrad(differentiable);
}

/**
 * Norm over the last axis: n w + b, n = (x - mean) / sqrt(variance + epsilon).
 *
 * With g = dy w, dx = (g - mean(g) - n mean(g n)) / sqrt(variance + epsilon).
 *
 * @param tf - API
 * @param x - (...,D)
 * @param norm - w and b, frozen
 * @param epsilon - above 0, a scalar
 */
export function layerNormOf(tf: Tfjs, x: Tensor, norm: NormWeights, epsilon: Tensor): Tensor {
  const normed = withKept(
    tf,
    (rows) => {
      const centred = tf.sub(rows, tf.mean(rows, -1, true));
      const variance = tf.mean(tf.square(centred), -1, true);
      const inverse = tf.rsqrt(tf.add(variance, epsilon)); // (...,1)
      const unit = tf.mul(centred, inverse);
      return { value: tf.add(tf.mul(unit, norm.weight), norm.bias), kept: [unit, inverse] };
    },
    (dy, unit, inverse) => {
      const g = tf.mul(dy, norm.weight);
      const along = tf.mul(unit, tf.mean(tf.mul(g, unit), -1, true));
      return tf.mul(tf.sub(tf.sub(g, tf.mean(g, -1, true)), along), inverse);
    },
  );
  return normed(x);
}

/**
 * x Phi(x), the exact form: Phi(x) = (1 + erf(x / sqrt 2)) / 2, with derivative Phi(x) + x phi(x).
 *
 * @param tf - API
 * @param x - of any shape
 * @param constants - of the backbone
 */
export function geluOf(tf: Tfjs, x: Tensor, constants: Constants): Tensor {
  const { one, half, minusHalf, rootHalf, density } = constants;
  const gelu = withKept(
    tf,
    (values) => {
      const share = tf.mul(tf.add(tf.erf(tf.mul(values, rootHalf)), one), half); // Phi
      return { value: tf.mul(values, share), kept: [values, share] };
    },
    (dy, values, share) => {
      const bell = tf.mul(tf.exp(tf.mul(tf.square(values), minusHalf)), density); // phi
      return tf.mul(dy, tf.add(share, tf.mul(values, bell)));
    },
  );
  return gelu(x);
}
