/**
 * What a site keeps of one local round for its next one: the tensors that are private to it, and AdamW's moments. It never leaves.
 *
 * The file is safetensors in float32: `NAME` for each private tensor, `NAME.first` and `NAME.second` for each with moments. Metadata:
 * `format` = `melo-site-state/1`, `state` = canonical JSON.
 */
import { z } from 'zod';
import { decodeFloats, decodeSafetensors, encodeSafetensors } from '#core/adapter';
import type { AdapterLayout, FloatTensor, SafetensorsFile, TensorPlace } from '#core/adapter';
import { canonicalJson } from '#core/bytes';
import { checkFinite } from '#core/check';
import { StateError } from '#core/errors';
import { digestSchema, tensorNameSchema } from '#core/protocol';

const format = 'melo-site-state/1';

/** AdamW's moments of one tensor, (n) each, and how many steps it was trained. */
export interface KeptMoments {
  readonly steps: number;
  readonly first: Float32Array;
  readonly second: Float32Array;
}

/** What a site keeps, by the tensor's name. */
export interface SiteState {
  readonly tensors: ReadonlyMap<string, Float32Array>;
  readonly moments: ReadonlyMap<string, KeptMoments>;
}

/** What a site has before its first round. */
export const emptySiteState: SiteState = { tensors: new Map(), moments: new Map() };

const descriptionSchema = z.strictObject({
  layoutHash: digestSchema,
  steps: z.record(tensorNameSchema, z.number().int().min(1)),
});

/** Write a site's state; the same state has the same bytes. */
export function encodeSiteState(layout: AdapterLayout, state: SiteState): Uint8Array {
  const tensors: FloatTensor[] = [];
  const steps: Record<string, number> = {};
  for (const { name, shape } of layout.tensors) {
    const values = state.tensors.get(name);
    if (values !== undefined) tensors.push({ name, shape, values });
    const moments = state.moments.get(name);
    if (moments === undefined) continue;
    steps[name] = moments.steps;
    tensors.push({ name: `${name}.first`, shape, values: moments.first });
    tensors.push({ name: `${name}.second`, shape, values: moments.second });
  }
  const described = canonicalJson({ layoutHash: layout.hash, steps });
  return encodeSafetensors({ tensors, metadata: { format, state: described } });
}

function invalid(what: string, cause?: unknown): StateError {
  return new StateError(
    'SITE_STATE_INVALID',
    `site state: ${what}; remove the file, then the site starts afresh`,
    {},
    cause === undefined ? undefined : { cause },
  );
}

function read(file: SafetensorsFile, key: string, { size }: TensorPlace): Float32Array | undefined {
  const tensor = file.tensors.get(key);
  if (tensor === undefined) return undefined;
  const values = checkFinite(decodeFloats(tensor.data, tensor.dtype), key);
  if (values.length === size) return values;
  throw invalid(`expected ${size} numbers in ${key}, got ${values.length}`);
}

/**
 * Read a site's state.
 *
 * @throws StateError SITE_STATE_INVALID where it is of another format or layout, or lacks a moment
 * @throws InputError SAFETENSORS_INVALID, NON_FINITE_UPDATE
 */
export function decodeSiteState(layout: AdapterLayout, bytes: Uint8Array): SiteState {
  const file = decodeSafetensors(bytes);
  const { layoutHash, steps } = parseDescription(file);
  if (layoutHash !== layout.hash) throw invalid('expected the layout of the task');
  const tensors = new Map<string, Float32Array>();
  const moments = new Map<string, KeptMoments>();
  for (const place of layout.tensors) {
    const { name } = place;
    const values = read(file, name, place);
    if (values !== undefined) tensors.set(name, values);
    const count = steps[name];
    if (count === undefined) continue;
    const [first, second] = [
      read(file, `${name}.first`, place),
      read(file, `${name}.second`, place),
    ];
    if (first === undefined || second === undefined) throw invalid(`expected moments of ${name}`);
    moments.set(name, { steps: count, first, second });
  }
  return { tensors, moments };
}

function parseDescription(file: SafetensorsFile): z.infer<typeof descriptionSchema> {
  if (file.metadata['format'] !== format) throw invalid(`expected format ${format}`);
  try {
    return descriptionSchema.parse(JSON.parse(file.metadata['state'] ?? ''));
  } catch (cause) {
    throw invalid('expected its description in JSON', cause);
  }
}

/**
 * Put a site's private tensors in place of the global ones.
 *
 * @param global - (P), not changed
 * @returns (P), new
 */
export function personalised(
  layout: AdapterLayout,
  global: Float32Array,
  { tensors }: SiteState,
): Float32Array {
  const values = global.slice();
  for (const { name, offset } of layout.tensors) {
    const own = tensors.get(name);
    if (own !== undefined) values.set(own, offset);
  }
  return values;
}
