/** PostgreSQL alone: the same round as every other spec, by its own connections. Those of one process are lost in many ways. */
import { decodeAdapterFile } from '#core/adapter';
import { Harness } from '../testing/harness.ts';
import { specServerUrl } from '../testing/spec-database.ts';

(specServerUrl === undefined ? describe.skip : describe)('on PostgreSQL', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
    for (const site of ['north', 'south', 'west']) await harness.join(site);
  });
  afterAll(() => harness.stop());

  test('a round is published, and a restart opens the same database', async () => {
    await harness.createTask({ rounds: 1 });
    const { layout } = decodeAdapterFile(await harness.download('chest', 0));
    const deltas = [...harness.sites.values()].map((site, index) =>
      site.takePart('chest', new Float32Array(layout.size).fill(index + 1)),
    );
    await Promise.all(deltas);
    await harness.untilVersion('chest', 1);
    await harness.restart();
    const { values } = decodeAdapterFile(await harness.download('chest', 1));
    expect(values[layout.size - 1]).toBeCloseTo(2, 6);
    expect(await harness.request('GET', '/v1/health')).toMatchObject({
      databaseKind: 'postgresql',
    });
  });
});
