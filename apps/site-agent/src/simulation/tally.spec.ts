import type { TaskDefinition } from '#core/protocol';
import type { Column } from './columns.ts';
import type { Run } from './plan.ts';
import { Tally } from './tally.ts';

const run: Run = {
  ...{ name: 'a', sites: 2, partition: { name: 'iid' }, columns: [], learningRates: {}, task: {} },
};
function column(name: Column['name'], trainedAt: string | null = null): Column {
  const plan = { duration: { unit: 'epochs', count: 1 }, batchSize: 16 };
  const definition = { plan, rounds: 2, trainedTensors: 'all', title: name };
  return { name, trainedAt, definition: definition as TaskDefinition };
}
const images = { training: 100, heldOut: 0 };

test('a column of all sites is all images, one of a site alone its part', () => {
  const columns = [
    column('federated'),
    column('local-only', 'site-1'),
    column('local-only', 'site-2'),
  ];
  const tally = new Tally(
    columns.map((each) => ({ run, seed: 1, column: each })),
    images,
    1,
  );
  expect(tally.passes).toEqual({ done: 0, total: 400, worked: 0 });
});

test('what was done before this process is done, but no time was spent on it', () => {
  const [first, second] = [column('federated'), column('pooled')].map((each) => {
    return { run, seed: 1, column: each };
  });
  if (first === undefined || second === undefined) throw new Error('expected two columns');
  const tally = new Tally([first, second], images, 1);
  tally.end(first);
  expect(tally.passes).toEqual({ done: 200, total: 400, worked: 0 });
  tally.add(50);
  expect(tally.passes).toEqual({ done: 250, total: 400, worked: 50 });
});

test('the same work in another run is counted once', () => {
  const pooled = column('pooled');
  const twice = [run, { ...run, name: 'b' }].map((own) => ({ run: own, seed: 1, column: pooled }));
  const tally = new Tally(twice, images, 1);
  expect(tally.passes.total).toBe(200);
  for (const each of twice) tally.end(each);
  expect(tally.passes.done).toBe(200);
});
