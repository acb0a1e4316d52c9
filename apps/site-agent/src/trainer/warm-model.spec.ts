/** The model kept between jobs: taken again for the same work alone, and never beside another. */
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterLayout, adapterSpecification } from '#core/adapter';
import type { EngineModel } from '#core/engine';
import { UnavailableError } from '#core/errors';
import { fakeModel } from '../testing/in-process-trainer.ts';
import { WarmModel, type LoadModel, type ModelSource } from './warm-model.ts';

let directory: string;
let events: string[];

const specificationOf = (rank: number) =>
  adapterSpecification({ rank, alpha: rank, classes: ['a', 'b'], dimension: 8, blocks: 1 });

const source = (over: Partial<ModelSource['engine']> = {}): ModelSource => ({
  backboneDirectory: directory,
  engine: {
    ...{ name: 'onnx', device: 'auto', threads: 1, isAlone: false, cacheDirectory: '/cache' },
    ...over,
  },
});

const load: LoadModel = ({ engine }, specification) => {
  const name = `rank ${specification.rank}, ${engine.threads} threads`;
  events.push(`load ${name}`);
  const layout = adapterLayout(specification);
  const model: EngineModel = {
    ...fakeModel({ layout, specification }),
    dispose: () => {
      events.push(`dispose ${name}`);
      return Promise.resolve();
    },
  };
  return Promise.resolve(model);
};

beforeEach(async () => {
  events = [];
  directory = await mkdtemp(join(tmpdir(), 'melo-model-'));
  await writeFile(join(directory, 'model.safetensors'), 'weights');
  await writeFile(join(directory, 'config.json'), '{}');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('the same work finds the model of the job before', async () => {
  const warm = new WarmModel(load);
  const first = await warm.get(source(), specificationOf(2));
  expect(await warm.get(source(), specificationOf(2))).toBe(first);
  expect(events).toEqual(['load rank 2, 1 threads']);
});

test('another specification or engine disposes of the model first', async () => {
  const warm = new WarmModel(load);
  await warm.get(source(), specificationOf(2));
  await warm.get(source(), specificationOf(4));
  await warm.get(source({ threads: 2 }), specificationOf(4));
  expect(events).toEqual([
    'load rank 2, 1 threads',
    'dispose rank 2, 1 threads',
    'load rank 4, 1 threads',
    'dispose rank 4, 1 threads',
    'load rank 4, 2 threads',
  ]);
});

test.each([
  ['weights of another time', () => utimes(join(directory, 'model.safetensors'), 1, 1)],
  ['weights of another length', () => writeFile(join(directory, 'model.safetensors'), 'w')],
  ['another configuration', () => writeFile(join(directory, 'config.json'), '{"a":1}')],
  ['a preprocessor', () => writeFile(join(directory, 'preprocessor_config.json'), '{}')],
])('%s in the same folder are seen', async (_name, change) => {
  const warm = new WarmModel(load);
  await warm.get(source(), specificationOf(2));
  await change();
  await warm.get(source(), specificationOf(2));
  expect(events.filter((event) => event.startsWith('load'))).toHaveLength(2);
});

test('after a failure the next job loads', async () => {
  let failures = 1;
  const warm = new WarmModel((...given) => {
    if (failures-- > 0) throw new UnavailableError('ENGINE_UNAVAILABLE', 'no memory');
    return load(...given);
  });
  await expect(warm.get(source(), specificationOf(2))).rejects.toBeInstanceOf(UnavailableError);
  await warm.get(source(), specificationOf(2));
  expect(events).toEqual(['load rank 2, 1 threads']);
});
