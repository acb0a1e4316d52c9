/** Builds the two graphs of a model: the forward pass alone, and the whole training step. */
import type { AdapterLayout, AdapterSpecification } from '#core/adapter';
import type { BackboneConfiguration } from '#core/backbone';
import { flatAdapter } from './adapter-parts.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { WeightRange } from './graph-builder.ts';
import { addBackward } from './vit-backward.ts';
import { addForward } from './vit-forward.ts';

/** `forward`: features and logits. `step`: loss and gradients. */
export type GraphKind = 'forward' | 'step';

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
 * Inputs: `patches` (T-1,B,3PP), `adapter` (P), and for a step `targets` (B,C).
 * Outputs: `features` (B,D) and `logits` (B,C), or `loss` [] and `gradients` (P).
 *
 * @param options - the kind, the shapes, and where frozen weights lie beside the graph's file
 * @returns an ONNX file, the same bytes for the same options
 */
export function buildGraph(options: GraphOptions): Uint8Array {
  const { kind, configuration, specification, layout, weightRange } = options;
  const graph = new GraphBuilder();
  const classes = specification.classes.length;
  const { scale } = specification;
  const isTrained = kind === 'step';
  const context = { graph, configuration, layout, scale, classes, isTrained, weightRange };
  const forward = addForward(context, flatAdapter(context));
  if (isTrained) {
    addBackward(context, forward);
  } else {
    graph.output('features', forward.features, ['B', configuration.dimension]);
    graph.output('logits', forward.logits, ['B', classes]);
  }
  return graph.encode();
}
