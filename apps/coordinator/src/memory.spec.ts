/** What a coordinator has in memory after rounds upon rounds. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { adapterLayout, specificationOf } from '#core/adapter';
import { tinyBackbone } from './testing/fake-site.ts';
import { Harness, taskOf } from './testing/harness.ts';

/** Three updates of 0.4 MB a round, so that one which is left behind is seen at once. */
const backbone = { ...tinyBackbone, dimension: 512, blocks: 12 };
const names = ['north', 'south', 'west'];
/** Code that is compiled as it gets hot takes some more heap for about eight rounds. */
const settlingRounds = 10;
const rounds = 26;
/** Half of one update. */
const growthBytesMax = 200_000;

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start({ settings: { retentionMs: 0 } });
  for (const name of names) (await harness.join(name)).backbone = backbone;
});
afterAll(() => harness.stop());

/** Bytes in use, in the heap and outside it, once all garbage is collected. */
async function bytesInUse(): Promise<number> {
  setFlagsFromString('--expose-gc');
  await new Promise((wake) => setTimeout(wake, 100));
  runInNewContext('gc()');
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('does not grow from round to round', async () => {
  const { classes, rank = 4, alpha = 4 } = taskOf();
  const layout = adapterLayout(specificationOf({ backbone, classes, rank, alpha }));
  const delta = new Float32Array(layout.size).fill(1e-3);
  await harness.createTask({ backbone, rounds });
  const seen: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const site of harness.sites.values()) await site.takePart('chest', delta);
    await harness.untilVersion('chest', round);
    if (round > settlingRounds) seen.push(await bytesInUse());
  }
  const half = seen.length / 2;
  const least = (from: number): number => Math.min(...seen.slice(from, from + half));
  expect((least(half) - least(0)) / half).toBeLessThan(growthBytesMax);
}, 180_000);
