import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeAdapterFile, initialAdapter } from '#core/adapter';
import { toHex } from '#core/bytes';
import { decryptAdapter, envelopeDigest, signDomains } from '#core/crypto';
import { roundDetailSchema } from './rounds/rounds.contract.ts';
import { versionDetailSchema } from './registry/registry.contract.ts';
import { layoutOf, tinyBackbone } from './testing/fake-site.ts';
import { Harness } from './testing/harness.ts';

const filled = (length: number, value: number): Float32Array =>
  new Float32Array(length).fill(value);

describe('a federation of three sites', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start({ settings: { retentionMs: 0 } });
    for (const name of ['north', 'south', 'west']) await harness.join(name);
  });
  afterAll(() => harness.stop());

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

  test('goes on with an upload at its first missing range, over a new connection and a restart', async () => {
    const backbone = { ...tinyBackbone, dimension: 768, blocks: 12 };
    await harness.createTask({ task: 'large', rounds: 1, backbone, rank: 4 });
    const [north, south, west] = [...harness.sites.values()];
    if (north === undefined || south === undefined || west === undefined) throw new Error('sites');
    for (const site of harness.sites.values()) site.backbone = backbone;
    const { assignment, open } = await south.assignment('large');
    const { payload } = assignment.open;
    const { size } = layoutOf(open, backbone);
    await south.ask('round:accept', { decision: south.decision(open, payload) });
    const sealed = south.seal(open, payload, { delta: filled(size, 2) });
    expect(await south.begin(sealed)).toMatchObject({ received: [], isCommitted: false });
    await south.sendRanges(sealed, [0, 2]);
    await south.connect();
    expect(await south.begin(sealed)).toMatchObject({
      received: [
        [0, 1],
        [2, 3],
      ],
    });

    await harness.restart();
    for (const site of harness.sites.values()) await site.connect();
    expect(await south.begin(sealed)).toMatchObject({
      received: [
        [0, 1],
        [2, 3],
      ],
    });
    expect(await south.refusedCode('upload:commit', { uploadId: sealed.uploadId })).toBe(
      'UPLOAD_INCOMPLETE',
    );
    await south.sendRanges(sealed, [1]);
    const committed = await south.ask('upload:commit', { uploadId: sealed.uploadId });
    expect(committed.status).toBe('reported');
    await north.takePart('large', filled(size, 1));
    await west.takePart('large', filled(size, 3));
    await harness.untilVersion('large', 1);
    const { values } = decodeAdapterFile(await harness.download('large', 1));
    expect(values[size - 1]).toBeCloseTo(2, 6);
    for (const site of harness.sites.values()) site.backbone = tinyBackbone;
  });

  test('goes on after a restart in the middle of a round', async () => {
    await harness.createTask({ task: 'second', rounds: 1 });
    const { layout } = decodeAdapterFile(await harness.download('second', 0));
    const [north, south, west] = [...harness.sites.values()];
    if (north === undefined || south === undefined || west === undefined) throw new Error('sites');
    await north.takePart('second', filled(layout.size, 1));
    const { assignment, open } = await south.assignment('second');
    await south.ask('round:accept', { decision: south.decision(open, assignment.open.payload) });
    const sealed = south.seal(open, assignment.open.payload, { delta: filled(layout.size, 2) });
    await south.begin(sealed);

    await harness.restart();
    for (const site of harness.sites.values()) await site.connect();
    expect(await north.assignment('second')).toMatchObject({ assignment: { status: 'reported' } });
    expect(await south.begin(sealed)).toMatchObject({ received: [], isCommitted: false });
    await south.sendRanges(sealed);
    expect(await south.begin(sealed)).toMatchObject({ received: [[0, 1]], isCommitted: false });
    await south.ask('upload:commit', { uploadId: sealed.uploadId });
    await west.takePart('second', filled(layout.size, 3));
    await harness.untilVersion('second', 1);
    const { values } = decodeAdapterFile(await harness.download('second', 1));
    expect(values[layout.size - 1]).toBeCloseTo(2, 6);
    const detail = roundDetailSchema.parse(
      await harness.request('GET', '/v1/tasks/second/rounds/1'),
    );
    expect(detail.membership).not.toBeNull();
    expect(detail.members.map(({ status }) => status)).toEqual(Array(3).fill('reported'));
  });

  test('two tasks at once: a site that stalls and one that sends rubbish in one do not touch the other', async () => {
    await harness.createTask({ task: 'stalled', rounds: 1, rules: { quorumSites: 3 } });
    await harness.createTask({ task: 'lively', rounds: 2, rules: { quorumSites: 3 } });
    const { layout } = decodeAdapterFile(await harness.download('lively', 0));
    const [north, south, west] = [...harness.sites.values()];
    if (north === undefined || south === undefined || west === undefined) throw new Error('sites');
    const stalled = await south.assignment('stalled');
    const { open, assignment } = stalled;
    await south.ask('round:accept', { decision: south.decision(open, assignment.open.payload) });
    const half = south.seal(open, assignment.open.payload, { delta: filled(layout.size, 1) });
    await south.begin(half);
    const decision = north.decision(open, assignment.open.payload);
    await north.ask('round:accept', { decision });
    const rubbish = north.seal(open, assignment.open.payload, { plaintext: new Uint8Array(99) });
    await north.begin(rubbish);
    await north.sendRanges(rubbish);
    await north.refusedCode('upload:commit', { uploadId: rubbish.uploadId });
    for (const round of [1, 2]) {
      for (const site of [north, south, west])
        await site.takePart('lively', filled(layout.size, 2));
      await harness.untilVersion('lively', round);
    }
    const { values, card } = decodeAdapterFile(await harness.download('lively', 2));
    expect(values[layout.size - 1]).toBeCloseTo(4, 5);
    expect(card.lineage.members.map(({ site }) => site)).toEqual(['north', 'south', 'west']);
    expect((await harness.task('stalled')).currentRound).toMatchObject({
      ...{ attempt: 1, phase: 'training' },
      members: [
        { site: 'north', status: 'rejected' },
        { site: 'south', status: 'uploading' },
        { site: 'west', status: 'invited' },
      ],
    });
    await harness.request('POST', '/v1/tasks/stalled/cancel');
  });

  test('six orders of arrival give the same bytes', async () => {
    const orders = [
      ['north', 'south', 'west'],
      ['north', 'west', 'south'],
      ['south', 'north', 'west'],
      ['south', 'west', 'north'],
      ['west', 'north', 'south'],
      ['west', 'south', 'north'],
    ];
    const values: string[] = [];
    for (const order of orders) {
      const { task } = await harness.createTask({ task: `order-${values.length}`, rounds: 1 });
      for (const name of order) {
        const { layout } = decodeAdapterFile(await harness.download(task, 0));
        const position = order.toSorted().indexOf(name);
        const delta = Float32Array.from({ length: layout.size }, (_, i) =>
          Math.fround(Math.sin(i * (position + 1)) / 3),
        );
        await harness.sites.get(name)?.takePart(task, delta, 10 + 7 * position);
      }
      await harness.untilVersion(task, 1);
      const { values: found } = decodeAdapterFile(await harness.download(task, 1));
      values.push(Buffer.from(found.buffer, found.byteOffset, found.byteLength).toString('hex'));
    }
    expect(new Set(values).size).toBe(1);
  });

  test('erases uploads and round keys together when retention ends', async () => {
    await harness.until(
      () => readdir(join(harness.folder, 'uploads')),
      (files) => files.length === 0,
    );
  });
});
