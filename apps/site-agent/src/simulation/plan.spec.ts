import { federatedDefinition, columnsOf } from './columns.ts';
import { examplePlan } from './example-plan.ts';
import { layOver, parsePlan, runsOf } from './plan.ts';

const basis = {
  backbone: {
    name: 'nano',
    fingerprint: 'ab'.repeat(32),
    dimension: 96,
    blocks: 6,
    patchSize: 8,
    imageSize: 64,
  },
  preprocessing: {
    ...{
      version: 1,
      imageSize: 64,
      resize: 'fill',
      crop: 'none',
      kernel: 'cubic',
      channels: 'rgb',
    },
    ...{ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  },
  classes: ['a', 'b'],
} satisfies Parameters<typeof federatedDefinition>[1];

const small = 'version: 1\nbackbone: nano\nphantoms: { images: 30 }\npartition: { name: iid }\n';

describe('a plan', () => {
  test('of the example is whole, and its tasks are tasks of a federation', () => {
    const plan = parsePlan(examplePlan, 'plan.yaml');
    const definitions = runsOf(plan).map((run) => federatedDefinition(run, basis, 1));
    expect(definitions.map(({ aggregation }) => aggregation.method)).toEqual([
      'fedavg',
      'alternating',
    ]);
    expect(definitions[0]).toMatchObject({
      members: ['site-1', 'site-2', 'site-3'],
      plan: { optimiser: { learningRate: 4e-3 }, schedule: { totalRounds: 4 }, seed: 1 },
    });
  });

  test('names its paths from its own folder', () => {
    const plan = parsePlan(
      'version: 1\nbackbone: vit\nimages: { folder: images, classes: [a, b] }\npartition: { name: iid }\n',
      '/somewhere/plan.yaml',
    );
    expect(plan).toMatchObject({
      backbone: '/somewhere/vit',
      images: { folder: '/somewhere/images' },
    });
  });

  test.each([
    ['nano', /plan\.yaml:1: file: /],
    [`${small}speed: 3\n`, /plan\.yaml:5: speed: unknown key speed/],
    [small.replace('iid', 'fair'), /plan\.yaml:4: partition\.name: /],
    [`${small}images: { folder: x, classes: [a, b] }\n`, /either images or phantoms/],
    [`${small}task: { members: [a] }\n`, /task: expected none of backbone/],
    [`${small}runs: [{ name: a }, { name: a }]\n`, /runs: expected every name once/],
    [`${small}sites: 65\n`, /sites: /],
  ])('%j is refused with what does not fit', (text, message) => {
    expect(() => parsePlan(text, 'plan.yaml')).toThrow(message);
  });

  test('a task that a federation would refuse is refused by the run it is of', () => {
    const plan = parsePlan(
      `${small}runs: [{ name: odd, task: { aggregation: { method: magic } } }]\n`,
      'plan.yaml',
    );
    const [run] = runsOf(plan);
    expect(() => federatedDefinition(run as never, basis, 1)).toThrow(
      /run odd: task\.aggregation\.method/,
    );
  });

  test('columns beside the federated one are the same work whatever the method', () => {
    const runs = runsOf(
      parsePlan(
        `${small}learningRates: { pooled: 0.5 }\nruns: [{ name: a }, { name: b, task: { aggregation: { method: ffa } } }]\n`,
        'plan.yaml',
      ),
    );
    const [a, b] = runs.map((run) => columnsOf(run, federatedDefinition(run, basis, 1)));
    expect(a?.map(({ name, trainedAt }) => [name, trainedAt])).toEqual([
      ['federated', null],
      ['local-only', 'site-1'],
      ['local-only', 'site-2'],
      ['local-only', 'site-3'],
      ['head-only', null],
      ['pooled', null],
    ]);
    expect(a?.[0]).not.toEqual(b?.[0]);
    expect(a?.slice(1)).toEqual(b?.slice(1));
    const pooled = a?.at(-1)?.definition;
    // As many epochs on the same curve, in one round.
    expect(pooled).toMatchObject({
      rounds: 1,
      plan: {
        duration: { count: 8 },
        schedule: { totalRounds: 1 },
        optimiser: { learningRate: 0.5 },
      },
    });
  });
});

test('a layer takes the place of what is below it key by key, and null takes away', () => {
  expect(layOver({ a: { b: 1, c: 2 }, d: 3, e: [1] }, { a: { b: null, f: 4 }, e: [2] })).toEqual({
    a: { c: 2, f: 4 },
    d: 3,
    e: [2],
  });
});
