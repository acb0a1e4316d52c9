/**
 * What aggregation remembers from one round of a lineage to the next, and its file: the same state has the same bytes.
 *
 * The file is safetensors in float32: `NAME.first` and `NAME.second` for each tensor that was stepped, in the layout's order.
 * Metadata: `format` = `melo-aggregation-state/1`, `state` = canonical JSON.
 */
import { z } from 'zod';
import { decodeFloats, decodeSafetensors, encodeSafetensors } from '#core/adapter';
import type { AdapterLayout, FloatTensor, SafetensorsFile } from '#core/adapter';
import { canonicalJson, toHex } from '#core/bytes';
import { checkFinite } from '#core/check';
import { blake2b256 } from '#core/crypto';
import { InputError } from '#core/errors';
import { digestSchema, limits, tensorNameSchema } from '#core/protocol';
import type { AggregationPlan } from '#core/protocol';
import { aggregationMethod } from './registry.ts';
import type { TensorMoments } from './server-step.ts';

const format = 'melo-aggregation-state/1';

/** What aggregation remembers after a published round. */
export interface AggregationState {
  /** Published rounds of the lineage. */
  readonly roundsDone: number;
  /** By the tensor's name; none where there is no server step, or where a tensor was never stepped. */
  readonly moments: ReadonlyMap<string, TensorMoments>;
}

/** What there is before the first round of a task. */
export const initialState: AggregationState = { roundsDone: 0, moments: new Map() };

/** Tell whether a plan's rounds depend on what the rounds before them did, beside the adapter. */
export function isStateful({ method, serverStep }: AggregationPlan): boolean {
  return serverStep !== undefined || aggregationMethod(method).countsRounds;
}

const stateSchema = z.strictObject({
  layoutHash: digestSchema,
  roundsDone: z.number().int().min(0).max(limits.roundsMax),
  steps: z.record(tensorNameSchema, z.number().int().min(1).max(limits.roundsMax)),
});

/** Digest a state's file: 64 hexadecimal digits of BLAKE2b-256 over its bytes. */
export function stateDigest(file: Uint8Array): string {
  return toHex(blake2b256(file));
}

/** Write a state. */
export function encodeState(layout: AdapterLayout, state: AggregationState): Uint8Array {
  const tensors: FloatTensor[] = [];
  const steps: Record<string, number> = {};
  for (const { name, shape } of layout.tensors) {
    const moments = state.moments.get(name);
    if (moments === undefined) continue;
    steps[name] = moments.steps;
    tensors.push({ name: `${name}.first`, shape, values: moments.first });
    if (moments.second !== null)
      tensors.push({ name: `${name}.second`, shape, values: moments.second });
  }
  const { roundsDone } = state;
  const described = canonicalJson({ layoutHash: layout.hash, roundsDone, steps });
  return encodeSafetensors({ tensors, metadata: { format, state: described } });
}

function invalid(what: string, cause?: unknown): InputError {
  return new InputError(
    'AGGREGATION_STATE_INVALID',
    `aggregation state: ${what}; restore the coordinator's blobs from the backup`,
    {},
    cause === undefined ? undefined : { cause },
  );
}

function parseDescription(file: SafetensorsFile): z.infer<typeof stateSchema> {
  if (file.metadata['format'] !== format) throw invalid(`expected format ${format}`);
  try {
    return stateSchema.parse(JSON.parse(file.metadata['state'] ?? ''));
  } catch (cause) {
    throw invalid('expected its description in JSON', cause);
  }
}

function readMoment(file: SafetensorsFile, name: string, size: number): Float32Array | null {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) return null;
  const values = checkFinite(decodeFloats(tensor.data, tensor.dtype), name);
  if (values.length !== size) throw invalid(`expected ${size} numbers in ${name}`);
  return values;
}

/**
 * Read a state.
 *
 * @throws InputError AGGREGATION_STATE_INVALID where it is damaged, of another layout or lacks a moment
 * @throws InputError SAFETENSORS_INVALID, NON_FINITE_UPDATE
 */
export function decodeState(layout: AdapterLayout, bytes: Uint8Array): AggregationState {
  const file = decodeSafetensors(bytes);
  const { layoutHash, roundsDone, steps } = parseDescription(file);
  if (layoutHash !== layout.hash) throw invalid('expected the layout of the task');
  const moments = new Map<string, TensorMoments>();
  for (const { name, size } of layout.tensors) {
    const count = steps[name];
    if (count === undefined) continue;
    const first = readMoment(file, `${name}.first`, size);
    if (first === null) throw invalid(`expected ${name}.first`);
    moments.set(name, { steps: count, first, second: readMoment(file, `${name}.second`, size) });
  }
  if (moments.size === Object.keys(steps).length) return { roundsDone, moments };
  throw invalid('expected tensors of the layout alone');
}
