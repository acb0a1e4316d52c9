/** A site that leaves: cut, in no later round, its share marked wherever it is, and its tasks go on without it. */
import { z } from 'zod';
import { adapterLayout, specificationOf } from '#core/adapter';
import { decodePayload, roundResultSchema } from '#core/protocol';
import { registryRoutes } from '../registry/registry.contract.ts';
import { roundRoutes } from '../rounds/rounds.contract.ts';
import { tinyBackbone, type FakeSite } from '../testing/fake-site.ts';
import { Harness } from '../testing/harness.ts';
import { invitationViewSchema, siteRoutes } from './sites.contract.ts';

const { size } = adapterLayout(
  specificationOf({ rank: 2, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone }),
);
const codeSchema = z.object({ code: z.string() });
let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start();
  for (const name of ['north', 'south', 'west']) await harness.join(name);
});
afterAll(() => harness.stop());

function site(name: string): FakeSite {
  const found = harness.sites.get(name);
  if (found === undefined) throw new Error(`no site ${name}`);
  return found;
}

/** Let some sites take part in the open round; the others decline. */
async function round(task: string, number: number, taking: readonly string[]): Promise<void> {
  for (const name of ['north', 'south', 'west']) {
    const { members } = (await harness.task(task)).currentRound ?? { members: [] };
    if (members.find((member) => member.site === name)?.status !== 'invited') continue;
    if (taking.includes(name)) {
      await site(name).takePart(task, new Float32Array(size).fill(number));
      continue;
    }
    const { assignment, open } = await site(name).assignment(task);
    const change = { decision: 'decline', code: 'INTERNAL', reason: 'not now' };
    const decision = site(name).decision(open, assignment.open.payload, change);
    await site(name).ask('round:decline', { decision });
  }
  await harness.untilVersion(task, number);
}

const leave = async (name: string, rerun: boolean) =>
  siteRoutes.leave.response.parse(
    await harness.request('POST', `/v1/sites/${name}/leave`, { reason: 'the study ended', rerun }),
  );
const marks = async (task: string) => {
  const listed = await harness.request('GET', `/v1/tasks/${task}/versions`);
  const { versions } = registryRoutes.list.response.parse(listed);
  return versions.map(({ leftSites }) => leftSites.join(' '));
};
const newTask = (task: string, rounds: number, members = ['north', 'south', 'west']) =>
  harness.createTask({ task, rounds, members, rules: { quorumSites: 1 } });

test('is named with every version that has its share, and a task goes on from the last one without it', async () => {
  await newTask('first', 4);
  await round('first', 1, ['north', 'south']);
  await round('first', 2, ['south', 'west']);
  await round('first', 3, ['north', 'south']);
  await newTask('second', 2);
  await round('second', 1, ['north', 'south']);
  await harness.request('POST', '/v1/tasks/first/promote', { version: 3 });
  // In the open round of the second task west has reported already: that is withdrawn with it.
  await site('west').takePart('second', new Float32Array(size));
  const cut = new Promise((done) => site('west').socket?.once('disconnect', done));

  const { site: view, tasks } = await leave('west', true);
  expect(view).toMatchObject({ status: 'left', reason: 'the study ended', isConnected: false });
  expect(await cut).toBe('io server disconnect');
  await expect(site('west').connect()).rejects.toMatchObject({ data: { code: 'SITE_LEFT' } });
  expect(tasks).toEqual([
    {
      ...{ task: 'first', versions: [2, 3], lastWithout: 1 },
      ...{ isPromotedAffected: true, isRerunDue: false },
    },
  ]);
  expect(await marks('first')).toEqual(['', '', 'west', 'west']);
  expect(await marks('second')).toEqual(['', '']);
  const header = await harness.raw('GET', '/v1/tasks/first/versions/3/adapter');
  expect(header.headers.get('melo-left-sites')).toBe('west');

  // The attempt that started from version 3 is abandoned, the next one starts from version 1.
  expect((await harness.task('first')).currentRound).toMatchObject({
    ...{ round: 4, attempt: 2, baseVersion: 1 },
    members: [
      { site: 'north', status: 'invited' },
      { site: 'south', status: 'invited' },
      { site: 'west', status: 'withdrawn', reason: 'the site is left' },
    ],
  });
  await round('first', 4, ['north', 'south']);
  await round('second', 2, ['north', 'south']);
  expect(await marks('first')).toEqual(['', '', 'west', 'west', '']);
  expect(await marks('second')).toEqual(['', '', '']);
  const { results } = await site('north').ask('round:get', {
    known: [
      { task: 'second', version: 1 },
      { task: 'first', version: 3 },
    ],
  });
  const members = results.map(({ result }) =>
    decodePayload(roundResultSchema, result.payload, 'result')
      .members.filter(({ weight }) => weight !== null)
      .map(({ site: name }) => name),
  );
  expect(members).toEqual(Array(2).fill(['north', 'south']));
  const detail = roundRoutes.get.response.parse(
    await harness.request('GET', '/v1/tasks/second/rounds/2'),
  );
  expect(detail.members.at(-1)).toMatchObject({
    ...{ site: 'west', status: 'withdrawn', reason: 'the site left: the study ended' },
  });
  await harness.request('POST', '/v1/tasks/first/cancel');
});

test('a version that goes on from a marked one is marked too, over a restart', async () => {
  await newTask('third', 3, ['north', 'south']);
  await round('third', 1, ['north', 'south']);
  const { tasks } = await leave('south', false);
  expect(tasks.find(({ task }) => task === 'third')).toMatchObject({
    ...{ versions: [1], lastWithout: 0, isRerunDue: true },
  });
  await harness.restart();
  await site('north').connect();
  await round('third', 2, ['north']);
  expect(await marks('third')).toEqual(['', 'south', 'south']);
  // A repeat finds what is done, and does what was left out the first time.
  expect((await leave('south', true)).tasks.find(({ task }) => task === 'third')).toMatchObject({
    ...{ versions: [1, 2], lastWithout: 0, isRerunDue: false },
  });
  expect((await harness.task('third')).currentRound).toMatchObject({ round: 3, baseVersion: 0 });
  await harness.request('POST', '/v1/tasks/third/cancel');
});

test('its name comes back by a new enrolment alone; a code from before is worth nothing', async () => {
  const again = async () =>
    harness.raw('POST', '/v1/sites/south/invitations', {}).then((answer) => answer.json());
  const refused = async (path: string, body: object) =>
    codeSchema.parse(await (await harness.raw('POST', path, body)).json()).code;
  expect(await refused('/v1/sites/south/resume', {})).toBe('STATE_CONFLICT');
  expect(await refused('/v1/sites', { site: 'south' })).toBe('ALREADY_EXISTS');
  expect(
    await refused('/v1/tasks', { ...(await harness.task('third')).definition, task: 'x' }),
  ).toBe('REQUEST_INVALID');
  const { code } = invitationViewSchema.parse(await again());
  await leave('south', false);
  expect(await refused('/v1/enrollments', await site('south').enrollmentBody(code))).toBe(
    'ENROLLMENT_CODE_UNKNOWN',
  );
  const fingerprint = await site('south').enroll(invitationViewSchema.parse(await again()).code);
  await expect(site('south').connect()).rejects.toMatchObject({ data: { code: 'SITE_PENDING' } });
  await harness.request('POST', '/v1/sites/south/approve', { fingerprint });
  await site('south').connect();
  await harness.request('POST', '/v1/sites/south/revoke', { reason: 'x' });
  expect(codeSchema.parse(await again()).code).toBe('STATE_CONFLICT');
  expect(await refused('/v1/sites/south/leave', { reason: 'x' })).toBe('STATE_CONFLICT');
});
