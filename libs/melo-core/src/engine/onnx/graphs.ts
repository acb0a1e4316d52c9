/** Builds the graphs of a model: the forward pass alone, and whole training steps by loss and form of the gradients. */
import type { AdapterLayout, AdapterSpecification } from '#core/adapter';
import type { BackboneConfiguration } from '#core/backbone';
import type { LossName } from '../types.ts';
import { flatAdapter } from './adapter-parts.ts';
import { perExampleForm, summedForm } from './gradient-forms.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { WeightRange } from './graph-builder.ts';
import { addBackward } from './vit-backward.ts';
import type { BackwardOptions } from './vit-backward.ts';
import { addForward } from './vit-forward.ts';

/** `forward`: features and logits. `step`: the batch's loss and gradients. `examples`: those of each image. */
export type GraphKind = 'forward' | `step-${LossName}` | `examples-${LossName}`;

/** What a kind has besides its forward pass. */
const backward: Readonly<Record<GraphKind, BackwardOptions | null>> = {
  forward: null,
  'step-cross-entropy': { loss: 'cross-entropy', form: summedForm },
  'step-binary-cross-entropy': { loss: 'binary-cross-entropy', form: summedForm },
  'examples-cross-entropy': { loss: 'cross-entropy', form: perExampleForm },
  'examples-binary-cross-entropy': { loss: 'binary-cross-entropy', form: perExampleForm },
};

/** What {@link buildGraph} needs. */
export interface GraphOptions {
  readonly kind: GraphKind;
  readonly configuration: BackboneConfiguration;
  readonly specification: AdapterSpecification;
  readonly layout: AdapterLayout;
  readonly weightRange: (name: string) => WeightRange;
}

/**
 * Build a graph for a backbone and an adapter; the batch axis B is free.
 *
 * Inputs: `patches` (T-1,B,3PP), `adapter` (P), and for a loss `targets` (B,C) and `coefficients` (B,1) or (B,C).
 * Outputs: `features` (B,D) and `logits` (B,C); or `loss` [] and `gradients` (P); or `loss` (B) and `gradients` (B,P).
 *
 * @param options - the kind, the shapes, and where frozen weights lie beside the graph's file
 * @returns an ONNX file, the same bytes for the same options
 */
export function buildGraph(options: GraphOptions): Uint8Array {
  const { kind, configuration, specification, layout, weightRange } = options;
  const graph = new GraphBuilder();
  const classes = specification.classes.length;
  const { scale, rank, pooling } = specification;
  const trained = backward[kind];
  const isTrained = trained !== null;
  const shared = { graph, configuration, weightRange, isTrained, pooling };
  const context = { ...shared, layout, scale, rank, classes };
  const forward = addForward(context, flatAdapter(context));
  if (trained !== null) {
    addBackward(context, forward, trained);
  } else {
    graph.output('features', forward.features, ['B', configuration.dimension]);
    graph.output('logits', forward.logits, ['B', classes]);
  }
  return graph.encode();
}
