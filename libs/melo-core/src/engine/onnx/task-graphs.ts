/** Builds the graphs of a model that serves many adapters: one task in a batch, or an adapter for each image. */
import type { BackboneConfiguration } from '#core/backbone';
import type { Pooling } from '#core/protocol';
import { rowAdapters, taskAdapter } from './adapter-parts.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { WeightRange } from './graph-builder.ts';
import { addForward } from './vit-forward.ts';

/** `task`: one adapter, merged. `mixed`: an adapter for each image, as a branch. And what their heads read. */
export type TaskGraphKind = `task-${Pooling}` | `mixed-${Pooling}`;

/** What a kind's heads read. */
const poolings: Readonly<Record<TaskGraphKind, Pooling>> = {
  'task-cls': 'cls',
  'task-mean': 'mean',
  'mixed-cls': 'cls',
  'mixed-mean': 'mean',
};

/**
 * Build a graph for a backbone and adapters of any rank, scale and number of classes; the batch axis B is free.
 *
 * Inputs: `patches` (T-1,B,3PP) and those of `taskAdapter` or `rowAdapters`. Output: `logits` (B,C).
 *
 * @param options - the kind, the backbone, and where frozen weights lie beside the graph's file
 * @returns an ONNX file, the same bytes for the same options
 */
export function buildTaskGraph(options: {
  readonly kind: TaskGraphKind;
  readonly configuration: BackboneConfiguration;
  readonly weightRange: (name: string) => WeightRange;
}): Uint8Array {
  const { kind, configuration, weightRange } = options;
  const graph = new GraphBuilder();
  const pooling = poolings[kind];
  const context = { graph, configuration, isTrained: false, weightRange, pooling };
  const adapter = kind.startsWith('task') ? taskAdapter(context) : rowAdapters(context);
  const { logits } = addForward(context, adapter);
  graph.output('logits', logits, ['B', 'C']);
  return graph.encode();
}
