/** Room on the disk and quotas: refused before anything is full, taken again by itself once there is room. */
import { decodeAdapterFile } from '#core/adapter';
import { healthSchema } from '../health/health.contract.ts';
import { Harness } from '../testing/harness.ts';
import { operationsRoutes } from './operations.contract.ts';

const gigabyte = 2 ** 30;

describe('a disk that runs low', () => {
  let harness: Harness;
  let freeBytes = 100 * gigabyte;
  beforeAll(async () => {
    harness = await Harness.start({ freeBytes: async () => freeBytes });
    for (const site of ['north', 'south', 'west']) await harness.join(site);
  });
  afterAll(() => harness.stop());

  test('opens no round, refuses a new upload for a while, goes on with room', async () => {
    await harness.createTask({ rounds: 1 });
    const { layout } = decodeAdapterFile(await harness.download('chest', 0));
    const delta = new Float32Array(layout.size).fill(1);
    const [north, south, west] = [...harness.sites.values()];
    if (north === undefined || south === undefined || west === undefined) throw new Error('sites');
    const { assignment, open } = await north.assignment('chest');
    const { payload } = assignment.open;
    await north.ask('round:accept', { decision: north.decision(open, payload) });
    const sealed = north.seal(open, payload, { delta });

    freeBytes = gigabyte / 4;
    await expect(north.begin(sealed)).rejects.toMatchObject({ code: 'DISK_LOW', retryable: true });
    const other = await harness.createTask({ task: 'other' });
    expect(other).toMatchObject({ currentRound: null, openingRefusal: { code: 'DISK_LOW' } });
    const { disk } = healthSchema.parse(await harness.request('GET', '/v1/health'));
    expect(disk).toEqual({ freeBytes, reserveBytes: gigabyte / 2, isLow: true });

    freeBytes = 100 * gigabyte;
    await harness.until(
      () => harness.task('other'),
      ({ currentRound }) => currentRound?.round === 1,
    );
    await north.begin(sealed);
    await north.sendRanges(sealed);
    await north.ask('upload:commit', { uploadId: sealed.uploadId });
    await south.takePart('chest', delta);
    await west.takePart('chest', delta);
    await harness.untilVersion('chest', 1);
  });
});

test('a quota of uploads refuses one over it, by site and in all, and says what to do', async () => {
  const harness = await Harness.start({ settings: { siteUploadsQuotaBytes: 2500 } });
  try {
    for (const site of ['north', 'south', 'west']) await harness.join(site);
    await harness.createTask({ rounds: 2 });
    const { layout } = decodeAdapterFile(await harness.download('chest', 0));
    const delta = new Float32Array(layout.size).fill(1);
    for (const site of harness.sites.values()) await site.takePart('chest', delta);
    await harness.untilVersion('chest', 1);
    const north = harness.sites.get('north');
    const error: unknown = await north?.takePart('chest', delta).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'QUOTA_EXCEEDED', retryable: true });
    expect(String(error)).toContain('--site-uploads-quota-mb');
    const status = operationsRoutes.status.response.parse(
      await harness.request('GET', '/v1/operations'),
    );
    expect(status.uploads).toMatchObject({ quotaBytes: null, siteQuotaBytes: 2500 });
    expect(status.uploads.sites.map(({ site }) => site)).toEqual(['north', 'south', 'west']);
  } finally {
    await harness.stop();
  }
});
