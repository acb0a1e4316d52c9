/** Agents of 0.1.0 and of this release in one federation. */
import { adapterLayout, decodeAdapterFile, specificationOf } from '#core/adapter';
import {
  siteViewSchema,
  invitationViewSchema,
} from '../apps/coordinator/src/sites/sites.contract.ts';
import { roundDetailSchema } from '../apps/coordinator/src/rounds/rounds.contract.ts';
import { tinyBackbone, type FakeSite } from '../apps/coordinator/src/testing/fake-site.ts';
import { Harness } from '../apps/coordinator/src/testing/harness.ts';
import { StrictSite } from './melo-0.1/strict-site.ts';

const specification = { rank: 2, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone };
const { size } = adapterLayout(specificationOf(specification));
const filled = (value: number): Float32Array => new Float32Array(size).fill(value);

let harness: Harness;
let north: StrictSite;
let south: FakeSite;
let west: FakeSite;

beforeAll(async () => {
  harness = await Harness.start();
  north = new StrictSite('north', harness.coordinator.url);
  const invited = await harness.request('POST', '/v1/sites', { site: 'north' });
  const fingerprint = await north.enroll(invitationViewSchema.parse(invited).code);
  siteViewSchema.parse(await harness.request('POST', '/v1/sites/north/approve', { fingerprint }));
  await north.connect();
  await north.hello('0.1.0');
  south = await harness.join('south');
  west = await harness.join('west');
});
afterAll(async () => {
  north.close();
  await harness.stop();
});

const detail = async (task: string) =>
  roundDetailSchema.parse(await harness.request('GET', `/v1/tasks/${task}/rounds/1`));

test('an agent of 0.1.0 takes part beside others, while other tasks use what came later', async () => {
  const rules = { quorumSites: 1, wait: 'quorum', samplesMinimum: 50 } as const;
  await harness.createTask({ task: 'later', members: ['south', 'west'], rounds: 1, rules });
  await west.takePart('later', filled(1));
  const tooNew = { quorumSites: 1, agentVersionMinimum: '0.2.0' };
  await harness.createTask({ task: 'too-new', rounds: 1, rules: tooNew });
  await harness.createTask({ task: 'plain', rounds: 2, rules: { quorumSites: 3 } });
  for (const round of [1, 2]) {
    await north.takePart('plain', filled(1));
    await south.takePart('plain', filled(2));
    await west.takePart('plain', filled(3));
    await harness.untilVersion('plain', round);
  }
  const { values } = decodeAdapterFile(await harness.download('plain', 2));
  expect(values.at(-1)).toBeCloseTo(4, 5);
  expect(north.announcements).toBeGreaterThan(0);
});

test('a task that asks for a newer agent refuses it in a way that it survives, with the reason on record', async () => {
  await expect(north.takePart('too-new', filled(1))).rejects.toMatchObject({
    code: 'MESSAGE_INVALID',
  });
  const { members } = await detail('too-new');
  const reason = members.find(({ site }) => site === 'north')?.reason;
  expect(reason).toContain('AGENT_VERSION_TOO_OLD');
});

test('the strict site is strict: what 0.1.0 does not know is found', async () => {
  await expect(north.raw('round:withdraw', {})).rejects.toThrow('knows no command');
  await expect(north.raw('round:get', { known: [], more: true })).rejects.toThrow();
});
