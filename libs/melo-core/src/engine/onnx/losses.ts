/**
 * The loss of a batch in a graph, and its derivative by the logits.
 *
 * Letters: B images, C classes, k coefficients (see loss-coefficients.ts), t targets, z logits.
 *   cross-entropy: l_b = -sum_c t_bc log softmax(z)_bc;      dz = k_b (softmax(z) - t)
 *   binary:        l_bc = log(1 + exp(z_bc)) - t_bc z_bc;    dz = k_bc (sigmoid(z_bc) - t_bc)
 */
import type { LossName } from '../types.ts';
import type { Value } from './graph-builder.ts';
import type { GraphContext } from './vit-forward.ts';

/** A loss in a graph. */
export interface GraphLoss {
  /** Each image's k l, summed over its classes, (B,1). */
  readonly losses: Value;
  /** dz, (B,C). */
  readonly dLogits: Value;
}

/**
 * Add a loss: inputs `targets` (B,C) and `coefficients`, (B,1) for the cross-entropy and (B,C) for the binary one.
 *
 * @param context - the graph and its classes
 * @param logits - (B,C)
 * @param name - which
 */
export function addLoss(context: GraphContext, logits: Value, name: LossName): GraphLoss {
  return name === 'cross-entropy' ? crossEntropy(context, logits) : binary(context, logits);
}

function crossEntropy({ graph, classes }: GraphContext, logits: Value): GraphLoss {
  const targets = graph.input('targets', ['B', classes]);
  const coefficients = graph.input('coefficients', ['B', 1]);
  const logShares = graph.op('LogSoftmax', [logits], { axis: { int: -1 } });
  const weighted = graph.op('Mul', [graph.op('Mul', [targets, logShares]), coefficients]);
  const losses = graph.op('Neg', [graph.op('ReduceSum', [weighted, graph.integers([-1])])]);
  const shares = graph.op('Softmax', [logits], { axis: { int: -1 } });
  const dLogits = graph.op('Mul', [graph.op('Sub', [shares, targets]), coefficients]);
  return { losses, dLogits };
}

function binary({ graph, classes }: GraphContext, logits: Value): GraphLoss {
  const targets = graph.input('targets', ['B', classes]);
  const coefficients = graph.input('coefficients', ['B', classes]);
  const each = graph.op('Sub', [
    graph.op('Softplus', [logits]),
    graph.op('Mul', [targets, logits]),
  ]);
  const weighted = graph.op('Mul', [each, coefficients]);
  const losses = graph.op('ReduceSum', [weighted, graph.integers([-1])]);
  const difference = graph.op('Sub', [graph.op('Sigmoid', [logits]), targets]);
  return { losses, dLogits: graph.op('Mul', [difference, coefficients]) };
}
