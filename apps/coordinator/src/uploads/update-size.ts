/** How large a sealed update of a task can be. */
import type { AdapterLayout } from '#core/adapter';

/** Bytes a sealed update may have beyond its values: seal, safetensors header of so much a tensor, metadata. */
const sealBytes = 72;
const headerBytesPerTensor = 256;
const headerBytes = 8192;

/** The most bytes that a sealed update of these tensors has. */
export function updateBytesMax({
  layout,
  trainedTensors,
}: {
  readonly layout: AdapterLayout;
  readonly trainedTensors: readonly string[];
}): number {
  const trained = new Set(trainedTensors);
  const values = layout.tensors.reduce(
    (sum, { name, size }) => sum + (trained.has(name) ? size : 0),
    0,
  );
  return 4 * values + sealBytes + headerBytes + headerBytesPerTensor * trained.size;
}
