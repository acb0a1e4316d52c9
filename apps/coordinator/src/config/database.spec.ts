import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { decodeAdapterFile } from '#core/adapter';
import { Harness } from '../testing/harness.ts';

const databaseUrl = process.env['DATABASE_URL'] ?? '';

// PGlite carries every other spec; this one runs the same round on PostgreSQL where one is named.
(databaseUrl === '' ? describe.skip : describe)('on PostgreSQL', () => {
  const name = `melo_spec_${randomUUID().replaceAll('-', '')}`;
  let harness: Harness;
  const administer = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  beforeAll(async () => {
    await administer(`create database ${name}`);
    const url = new URL(databaseUrl);
    url.pathname = `/${name}`;
    harness = await Harness.start({ databaseUrl: url.href });
    for (const site of ['north', 'south', 'west']) await harness.join(site);
  });
  afterAll(async () => {
    await harness.stop();
    await administer(`drop database ${name}`);
  });

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
