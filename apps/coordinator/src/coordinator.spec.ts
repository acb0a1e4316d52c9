import { decodeAdapterFile, initialAdapter } from '#core/adapter';
import { toHex } from '#core/bytes';
import { decryptAdapter, envelopeDigest, signDomains } from '#core/crypto';
import { roundDetailSchema } from './rounds/rounds.contract.ts';
import { versionDetailSchema } from './registry/registry.contract.ts';
import { Harness } from './testing/harness.ts';

const filled = (length: number, value: number): Float32Array =>
  new Float32Array(length).fill(value);

describe('a federation of three sites', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.start();
    for (const name of ['north', 'south', 'west']) await harness.join(name);
  });
  afterEach(() => harness.stop());

  test('publishes two versions with the weighted mean of the updates', async () => {
    await harness.createTask();
    const start = decodeAdapterFile(await harness.download('chest', 0));
    expect(start.values).toEqual(initialAdapter(start.specification, '07'.repeat(32)));
    const size = start.layout.size;
    const [north, south, west] = [...harness.sites.values()];
    if (north === undefined || south === undefined || west === undefined) throw new Error('sites');
    for (const round of [1, 2]) {
      await west.takePart('chest', filled(size, 1), 100);
      await north.takePart('chest', filled(size, 2), 200);
      await south.takePart('chest', filled(size, 4), 100);
      await harness.untilVersion('chest', round);
      const file = await harness.download('chest', round);
      const { values, card } = decodeAdapterFile(file);
      const step = (1 * 100 + 2 * 200 + 4 * 100) / 400;
      expect(values[size - 1]).toBeCloseTo(round * step, 5);
      expect(card.lineage.members.map(({ site, weight }) => [site, weight])).toEqual([
        ['north', 200],
        ['south', 100],
        ['west', 100],
      ]);
    }
    const task = await harness.task('chest');
    expect(task).toMatchObject({ status: 'finished', latestVersion: 2 });

    const { results, hasMore } = await north.ask('round:get', { known: [] });
    expect(hasMore).toBe(false);
    const digests = results.map(({ result }) =>
      envelopeDigest(signDomains.roundResult, result.payload),
    );
    const details = [];
    for (const version of [1, 2]) {
      const path = `/v1/tasks/chest/versions/${version}`;
      details.push(versionDetailSchema.parse(await harness.request('GET', path)));
    }
    expect(details.map(({ resultDigest }) => resultDigest)).toEqual(digests);
    expect(details.map(({ resultPayload }) => resultPayload?.previousResultDigest)).toEqual([
      null,
      digests[0],
    ]);
    expect(details.map(({ resultPayload }) => resultPayload?.isFinal)).toEqual([false, true]);
    const newest = results[1];
    if (newest === undefined) throw new Error('two results');
    const { ciphertext, contentKey } = await north.fetchAdapter(newest.adapter);
    const digest = details[1]?.adapterDigest ?? '';
    const plaintext = decryptAdapter({ ciphertext, contentKey, digest });
    expect(toHex(plaintext)).toBe(toHex(await harness.download('chest', 2)));
  });

  test('goes on after a restart in the middle of a round', async () => {
    await harness.createTask({ rounds: 1 });
    const { layout } = decodeAdapterFile(await harness.download('chest', 0));
    const [north, south, west] = [...harness.sites.values()];
    if (north === undefined || south === undefined || west === undefined) throw new Error('sites');
    await north.takePart('chest', filled(layout.size, 1));
    const { assignment, open } = await south.assignment('chest');
    await south.ask('round:accept', { decision: south.decision(open, assignment.open.payload) });
    const sealed = south.seal(open, assignment.open.payload, { delta: filled(layout.size, 2) });
    await south.begin(sealed);

    await harness.restart();
    for (const site of harness.sites.values()) await site.connect();
    expect(await north.assignment('chest')).toMatchObject({ assignment: { status: 'reported' } });
    expect(await south.begin(sealed)).toMatchObject({ received: [], isCommitted: false });
    await south.sendRanges(sealed);
    expect(await south.begin(sealed)).toMatchObject({ received: [[0, 1]], isCommitted: false });
    await south.ask('upload:commit', { uploadId: sealed.uploadId });
    await west.takePart('chest', filled(layout.size, 3));
    await harness.untilVersion('chest', 1);
    const { values } = decodeAdapterFile(await harness.download('chest', 1));
    expect(values[layout.size - 1]).toBeCloseTo(2, 6);
    const detail = roundDetailSchema.parse(
      await harness.request('GET', '/v1/tasks/chest/rounds/1'),
    );
    expect(detail.membership).not.toBeNull();
    expect(detail.members.map(({ status }) => status)).toEqual(Array(3).fill('reported'));
  });
});
