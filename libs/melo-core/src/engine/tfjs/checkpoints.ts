/**
 * Differentiates a stack of blocks a few at a time, so that a step's memory is that of a few blocks and not of all.
 *
 * The forward pass keeps only what goes into each group of blocks; going back, a group is run once more and differentiated
 * there and then. The last group, and with it a model that is one group, is run once. A group's run costs as much again as
 * its forward pass: about a third of a step in all.
 * @see Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost, https://arxiv.org/abs/1604.06174
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { tokenCount, type BackboneConfiguration } from '#core/backbone';
import { assert } from '#core/errors';
import type { Tfjs } from './backends.ts';

/** What the derivative of one group may keep, bytes, where nothing else is said. */
const defaultKeptBytesMax = 2 * 1024 ** 3;
/** A, B of q and A, B of v. */
const tensorsOfBlock = 4;

/**
 * How many blocks are differentiated at once: as many as keep what is allowed, one at least.
 *
 * Of one block and image the derivative keeps about 50 T D + 15 T F + 9 H T^2 numbers: fitted to the resident memory of
 * native TensorFlow for ViT-Ti and ViT-B at batch 8, so it holds what is freed late as well.
 *
 * @param configuration - T tokens, D, F, H
 * @param count - images of the batch, one or more
 * @param keptBytesMax - what the derivative of one group may keep, 2 GiB by default
 */
export function blocksAtOnce(
  configuration: BackboneConfiguration,
  count: number,
  keptBytesMax: number = defaultKeptBytesMax,
): number {
  const { dimension, mlpDimension, heads } = configuration;
  const tokens = tokenCount(configuration);
  const numbers = tokens * (50 * dimension + 15 * mlpDimension + 9 * heads * tokens);
  return Math.max(1, Math.floor(keptBytesMax / (4 * numbers * count)));
}

/** What {@link differentiate} needs. */
export interface Differentiation {
  readonly tf: Tfjs;
  /** What goes into the first block; no derivative to it is made. */
  readonly rows: Tensor;
  /** What is trained in the layout's order: four of each block, then the head's. */
  readonly tensors: readonly Tensor[];
  /** Blocks of one group, one or more. */
  readonly blocksAtOnce: number;
  /** Run the blocks whose tensors are given, from block `first` on. */
  readonly run: (rows: Tensor, tensors: readonly Tensor[], first: number) => Tensor;
  /** The loss, a scalar, of what the last block gives and the head's tensors. */
  readonly loss: (rows: Tensor, head: readonly Tensor[]) => Tensor;
}

/** A group of blocks: the first's index, and its trained tensors. */
interface Group {
  readonly first: number;
  readonly tensors: Tensor[];
}

function groupsOf({ tensors, blocksAtOnce: size }: Differentiation): Group[] {
  const groups: Group[] = [];
  for (let first = 0; first * tensorsOfBlock < tensors.length - 2; first += size) {
    const end = Math.min((first + size) * tensorsOfBlock, tensors.length - 2);
    groups.push({ first, tensors: tensors.slice(first * tensorsOfBlock, end) });
  }
  return groups;
}

/**
 * Compute a loss and its gradients.
 *
 * @param problem - blocks, loss and what is trained
 * @returns the loss and a gradient for each trained tensor, in their order; the caller disposes of them
 */
export function differentiate(problem: Differentiation): { value: Tensor; grads: Tensor[] } {
  const { tf, run, loss, tensors } = problem;
  const groups = groupsOf(problem);
  const last = groups.pop();
  assert(last !== undefined, 'differentiate: expected a block');
  const inputs = [problem.rows];
  for (const { first, tensors: own } of groups) inputs.push(run(newest(inputs), own, first));
  const head = tensors.slice(-2);
  const size = last.tensors.length;
  const lossOf = (rows: Tensor, trained: readonly Tensor[]): Tensor =>
    loss(run(rows, trained.slice(0, size), last.first), trained.slice(size));
  if (groups.length === 0) {
    const rows = newest(inputs);
    return tf.valueAndGrads((...trained: Tensor[]) => lossOf(rows, trained))([...tensors]);
  }
  const rows = takeNewest(inputs);
  const { value, grads } = tf.valueAndGrads((x: Tensor, ...trained: Tensor[]) =>
    lossOf(x, trained),
  )([rows, ...last.tensors, ...head]);
  rows.dispose();
  const [dRows, ...own] = grads;
  assert(dRows !== undefined, 'differentiate: expected a gradient of the rows');
  return { value, grads: [...backward(problem, groups, inputs, dRows), ...own] };
}

/** Go back through the groups before the last, from the gradient to what they give; frees it and their inputs. */
function backward(
  { tf, run }: Differentiation,
  groups: readonly Group[],
  inputs: Tensor[],
  dRows: Tensor,
): Tensor[] {
  const gradients: Tensor[] = [];
  let dy = dRows;
  for (const { first, tensors } of groups.toReversed()) {
    const rows = takeNewest(inputs);
    const isFirst = first === 0; // nothing below it is trained
    const made = isFirst
      ? tf.grads((...own: Tensor[]) => run(rows, own, first))([...tensors], dy)
      : tf.grads((x: Tensor, ...own: Tensor[]) => run(x, own, first))([rows, ...tensors], dy);
    tf.dispose([dy, ...(isFirst ? [] : [rows])]); // the first one's input is the caller's
    const own = isFirst ? made : made.slice(1);
    gradients.unshift(...own);
    dy = made[0] ?? dy;
  }
  return gradients;
}

function newest(tensors: readonly Tensor[]): Tensor {
  const tensor = tensors.at(-1);
  assert(tensor !== undefined, 'differentiate: expected what goes into the group');
  return tensor;
}

function takeNewest(tensors: Tensor[]): Tensor {
  const tensor = newest(tensors);
  tensors.pop();
  return tensor;
}
