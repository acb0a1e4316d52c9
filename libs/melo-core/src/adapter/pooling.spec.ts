/** What an adapter's head reads, in layout hash, card and file. */
import { canonicalJson } from '#core/bytes';
import { taskDefinitionSchema } from '#core/protocol';
import { smallTask } from '#core/protocol/testing';
import {
  adapterCard,
  adapterLayout,
  decodeAdapterFile,
  decodeSafetensors,
  encodeAdapterFile,
  encodeSafetensorsBytes,
  layoutHash,
  specificationOf,
} from './index.ts';
import type { AdapterCard } from './index.ts';

const definition = taskDefinitionSchema.parse(smallTask());
const mean = { ...definition, pooling: 'mean' } as const;
const specification = specificationOf(definition);
const layout = adapterLayout(specification);
const meanSpecification = specificationOf(mean);
const meanLayout = adapterLayout(meanSpecification);

const cardOf = (task: typeof definition): AdapterCard =>
  adapterCard({
    definition: task,
    version: 0,
    parentDigest: null,
    round: null,
    members: [],
    software: { library: 'melo-federation 0.1.0', engine: 'derived from the public seed' },
  });

const bytes = (): Uint8Array =>
  encodeAdapterFile({
    specification: meanSpecification,
    values: new Float32Array(layout.size),
    card: cardOf(mean),
  });

describe('what the head reads', () => {
  test('is part of the layout hash where it is not the class token, and of nothing else in it', () => {
    expect(meanLayout.hash).not.toBe(layout.hash);
    expect({ ...meanLayout, hash: layout.hash }).toEqual(layout);
    expect(layoutHash(layout.tensors, 'cls')).toBe(layout.hash);
  });

  test('is read back from a file; the class token is not written, as in older files', () => {
    expect(decodeAdapterFile(bytes()).specification).toEqual(meanSpecification);
    expect(meanSpecification.pooling).toBe('mean');
    const named = specificationOf({ ...definition, pooling: 'cls' });
    expect(named).toEqual(specification);
    expect(Object.keys(named)).not.toContain('pooling');
    expect(Object.keys(cardOf(definition))).not.toContain('pooling');
  });

  test('cannot be changed in a file', () => {
    const { tensors, metadata } = decodeSafetensors(bytes());
    const changed = encodeSafetensorsBytes({
      tensors: [...tensors].map(([name, tensor]) => ({ name, ...tensor })),
      metadata: { ...metadata, card: canonicalJson({ ...cardOf(mean), pooling: 'cls' }) },
    });
    expect(() => decodeAdapterFile(changed)).toThrow(
      expect.objectContaining({ code: 'LAYOUT_MISMATCH' }),
    );
  });
});
