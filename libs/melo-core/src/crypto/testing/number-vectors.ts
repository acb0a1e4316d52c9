/** Vectors of numbers that follow from seeds: version 0, the generator, the aggregate, the backbone's fingerprint. */
import { encodeFloats, initialAdapter, tensorView } from '#core/adapter';
import { averageUpdates } from '#core/aggregation';
import {
  canonicalNames,
  fingerprintBackbone,
  memorySource,
  tensorShape,
  type Backbone,
  type BackboneConfiguration,
} from '#core/backbone';
import { canonicalJson, fromHex, toHex, utf8 } from '#core/bytes';
import { seededRng } from '#core/rng';
import { blake2b256, encodePieces } from '../primitives.ts';
import { layout, publicSeed, specification, type Vector } from './inputs.ts';

const floats = (values: Float32Array): string => toHex(encodeFloats(values, 'F32'));

/** Vectors of everything that is numbers rather than keys, the backbone apart. */
export function numberVectors(): Vector[] {
  const name = 'blocks.0.attn.v.lora_A';
  const initial = initialAdapter(specification, publicSeed);
  const rng = seededRng('melo');
  const words = Array.from({ length: 1026 }, () => rng.nextUint32());
  const again = seededRng('melo');
  const sample = [again.nextFloat(), again.nextInteger(10), again.nextInteger(10)];
  const order = seededRng('melo').shuffle([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  return [
    {
      name: 'initial adapter',
      given: { publicSeed, dimension: '4', rank: '2', tensor: name },
      result: {
        seed: toHex(
          blake2b256(encodePieces([utf8('melo/1/initial'), fromHex(publicSeed), utf8(name)])),
        ),
        values: floats(tensorView(layout, initial, name)),
      },
    },
    {
      name: 'generator',
      given: { seed: 'melo' },
      result: {
        words: words.slice(0, 3).join(', '),
        wordsAcrossBlocks: words.slice(1023).join(', '),
        floatThenIntegersBelow10: sample.join(', '),
        shuffleOf0To9: order.join(', '),
      },
    },
    {
      name: 'aggregate',
      given: {
        global: '1, -2',
        alpha: 'weight 1: 0.1, 3',
        beta: 'weight 2: 0.2, -1',
        'gamma-2': 'weight 4: 0.3, 0.25',
      },
      result: { values: aggregateVector() },
    },
  ];
}

function aggregateVector(): string {
  const update = (site: string, weight: number, delta: number[]) => ({
    site,
    weight,
    delta: new Float32Array(delta),
  });
  return floats(
    averageUpdates(new Float32Array([1, -2]), [
      update('gamma-2', 4, [0.3, 0.25]),
      update('alpha', 1, [0.1, 3]),
      update('beta', 2, [0.2, -1]),
    ]),
  );
}

/** The vector of the smallest ViT there can be; its weights, in the order they are hashed, are 0, 1/8, 2/8, ... */
export async function backboneVector(): Promise<Vector> {
  const configuration: BackboneConfiguration = {
    dimension: 2,
    blocks: 1,
    heads: 1,
    mlpDimension: 3,
    patchSize: 1,
    imageSize: 1,
    channels: 3,
    layerNormEpsilon: 1e-6,
    activation: 'gelu',
    pooling: 'cls',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
  const values = new Map<string, Float32Array>();
  let next = 0;
  for (const name of canonicalNames(configuration).sort()) {
    const size = tensorShape(name, configuration).reduce((product, side) => product * side, 1);
    values.set(
      name,
      new Float32Array(size).map(() => next++ / 8),
    );
  }
  const tensors = [...values].map(([name, { byteLength }]) => {
    const shape = tensorShape(name, configuration);
    return [name, { shape, dtype: 'F32', offset: 0, length: byteLength }] as const;
  });
  const backbone: Backbone = {
    name: 'smallest',
    configuration,
    tensors: new Map(tensors),
    source: memorySource(new Uint8Array(0)),
    read: (name) => Promise.resolve(values.get(name) ?? new Float32Array(0)),
  };
  return {
    name: 'backbone fingerprint',
    given: { configuration: canonicalJson(configuration), weights: String(next) },
    result: { fingerprint: await fingerprintBackbone(backbone) },
  };
}
