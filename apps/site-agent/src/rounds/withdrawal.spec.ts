/** A site that takes its part back: by a person's word, or because its work fails for good. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UnavailableError } from '#core/errors';
import { siteCommands, taskIdSchema } from '#core/protocol';
import { rejoinTask, withdrawFromTask } from '../commands/agent-withdraw.ts';
import { AgentHarness } from '../testing/agent-harness.ts';
import { refusal } from '../testing/fake-coordinator.ts';
import { fakeModel } from '../testing/in-process-trainer.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { Withdrawals } from './withdrawals.ts';

const lung = taskIdSchema.parse('lung');
const reason = 'the ethics board asked';
let agent: AgentHarness;

beforeEach(async () => {
  agent = await AgentHarness.create();
});
afterEach(() => agent.remove());

const withdrawals = (): Promise<Withdrawals> => Withdrawals.open(join(agent.directory, 'data'));
const withdraw = async (): Promise<void> => (await withdrawals()).add(lung, reason, 1);
const requests = (name: string): number => agent.coordinator.requestsOf(name).length;
const hasEvent = (name: string): boolean => agent.events.some(({ event }) => event === name);
const lastDecision = () => agent.decisions().at(-1);

/** Train until the local round has ended, and stay there. */
async function amidTraining(): Promise<void> {
  const stopped = new Promise<void>((resolve) => (agent.trainer.onStopped = resolve));
  agent.trainer.stopsAt = (message) => message.type === 'finished' && message.part === 'train';
  agent.task.openRound();
  await agent.start();
  await stopped;
}

test('a training under way is stopped and taken back, and no round is taken until the site rejoins', async () => {
  await amidTraining();
  await withdraw();
  await waitUntil(() => hasEvent('round-withdrawn'), 'withdrawal');
  expect(lastDecision()).toMatchObject({ decision: 'withdraw', code: 'TASK_WITHDRAWN', reason });
  expect(agent.task.status).toBe('withdrawn');
  agent.trainer.stopsAt = () => false;
  agent.task.openRound(2);
  await waitUntil(() => requests('round:decline') === 1, 'decline');
  expect(agent.task.updates).toEqual([]);
  expect(agent.trainer.jobs).toHaveLength(1);
  await (await withdrawals()).remove(lung);
  await waitUntil(() => hasEvent('task-rejoined'), 'rejoining');
  agent.task.openRound(3);
  await waitUntil(() => agent.task.updates.length === 1, 'update after rejoining');
  const approved = agent.coordinator
    .requestsOf('hello')
    .map((raw) => siteCommands.hello.request.parse(raw).approvedTasks);
  expect(approved).toEqual([['lung'], [], ['lung']]);
});

test('a withdrawal while the agent was not running is told at its next start, and nothing is trained', async () => {
  await amidTraining();
  await agent.stop();
  await withdraw();
  await agent.start();
  await waitUntil(() => agent.task.status === 'withdrawn', 'withdrawal');
  expect(agent.trainer.jobs).toHaveLength(1);
});

test('an update that waits for a link never goes out, also where the site rejoins before it is told', async () => {
  agent.coordinator.handlers.set('upload:begin', () => new Promise(() => undefined));
  agent.task.openRound();
  await agent.start();
  await waitUntil(() => requests('upload:begin') > 0, 'upload');
  agent.coordinator.handlers.set('round:withdraw', () => refusal('STORE_UNAVAILABLE', true));
  await withdraw();
  await waitUntil(() => requests('round:withdraw') > 0, 'first try');
  await agent.stop();
  await (await withdrawals()).remove(lung);
  const begun = requests('upload:begin');
  agent.coordinator.handlers.set('round:withdraw', () => ({
    ok: true,
    status: (agent.task.status = 'withdrawn'),
  }));
  await agent.start();
  await waitUntil(() => hasEvent('round-withdrawn'), 'withdrawal');
  expect(requests('upload:begin')).toBe(begun);
  expect(requests('upload:commit')).toBe(0);
  expect(agent.trainer.jobs).toHaveLength(1);
});

test('an upload under way is called off before its commit', async () => {
  let letRangeThrough: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (letRangeThrough = resolve));
  const range = agent.coordinator.handlers.get('upload:range');
  agent.coordinator.handlers.set('upload:range', async (request, from) => {
    await held;
    return range?.(request, from);
  });
  agent.task.openRound();
  await agent.start();
  await waitUntil(() => requests('upload:range') > 0, 'range');
  await withdraw();
  await waitUntil(() => hasEvent('task-withdrawn'), 'withdrawal seen');
  letRangeThrough();
  await waitUntil(() => agent.task.status === 'withdrawn', 'withdrawal');
  expect(requests('upload:commit')).toBe(0);
});

test('an update that was reported is taken back while the round is open', async () => {
  agent.task.openRound();
  await agent.start();
  await waitUntil(() => hasEvent('uploaded'), 'update');
  expect(agent.task.status).toBe('reported');
  await withdraw();
  await waitUntil(() => agent.task.status === 'withdrawn', 'withdrawal');
});

test('a withdrawal that comes too late is tried once, and said to have been refused', async () => {
  agent.coordinator.handlers.set('round:withdraw', () => refusal('ROUND_CLOSED', false));
  await amidTraining();
  await withdraw();
  await waitUntil(() => hasEvent('round-dropped'), 'refusal');
  agent.coordinator.announce(9);
  const pulls = requests('round:get');
  await waitUntil(() => requests('round:get') > pulls, 'another pull');
  expect(requests('round:withdraw')).toBe(1);
});

test('work that fails for good is taken back with the public reason, without a word of this machine', async () => {
  agent.trainer.failure = new UnavailableError('TRAINER_FAILED', 'images/dr-smith: gone');
  agent.task.openRound();
  await agent.start();
  await waitUntil(() => hasEvent('round-withdrawn'), 'withdrawal');
  expect(agent.trainer.jobs).toHaveLength(4); // once, and three times again
  expect(lastDecision()).toMatchObject({
    decision: 'withdraw',
    code: 'TRAINER_FAILED',
    reason: "The trainer process failed. The log of the site's agent says more.",
  });
  agent.trainer.failure = null;
  agent.task.openRound(2);
  await waitUntil(() => agent.task.updates.length === 1, 'the next attempt is taken');
});

test('logits that are no numbers are never scored: the part is taken back by their name', async () => {
  agent.trainer.model = (adapter) => ({
    ...fakeModel(adapter),
    predict: (_images, count) =>
      Promise.resolve(new Float32Array(count * adapter.specification.classes.length).fill(NaN)),
  });
  agent.task.openRound();
  await agent.start();
  await waitUntil(() => hasEvent('round-withdrawn'), 'withdrawal');
  expect(lastDecision()).toMatchObject({ decision: 'withdraw', code: 'NON_FINITE_UPDATE' });
  expect(agent.task.updates).toEqual([]);
});

test.each([
  ['SAMPLES_TOO_FEW', 'round-declined'],
  ['AGENT_VERSION_TOO_OLD', 'round-held-back'],
] as const)('a round that answers %s is told once as %s and not trained', async (code, name) => {
  agent.coordinator.handlers.set('round:accept', () => refusal(code, false));
  agent.task.openRound();
  await agent.start();
  await waitUntil(() => hasEvent(name), name);
  agent.coordinator.announce(9);
  await waitUntil(() => requests('round:accept') > 1, 'another try');
  expect(agent.events.filter(({ event }) => event === name)).toMatchObject([{ code }]);
  expect(agent.trainer.jobs).toEqual([]);
});

test('the commands name a task of this site, and say what is the case already', async () => {
  const config = join(agent.directory, 'agent.yaml');
  await mkdir(join(agent.directory, 'data'), { recursive: true });
  await writeFile(
    config,
    'dataDirectory: data\nbackbones: [vit]\ntasks: { lung: { images: images } }\n',
  );
  await withdrawFromTask('lung', { config, reason });
  expect((await withdrawals()).of('lung')).toMatchObject({ reason });
  await withdrawFromTask('lung', { config, reason: 'another' });
  expect((await withdrawals()).of('lung')).toMatchObject({ reason });
  await rejoinTask('lung', { config });
  expect((await withdrawals()).of('lung')).toBeUndefined();
  await rejoinTask('lung', { config });
  await expect(withdrawFromTask('liver', { config, reason })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  for (const wrong of [' ', 'x'.repeat(401)])
    await expect(withdrawFromTask('lung', { config, reason: wrong })).rejects.toMatchObject({
      code: 'USAGE',
    });
});

test('a damaged request still keeps the site out', async () => {
  await mkdir(join(agent.directory, 'data', 'withdrawals'), { recursive: true });
  await writeFile(join(agent.directory, 'data', 'withdrawals', 'lung.json'), '{"version":1,"ta');
  agent.task.openRound();
  await agent.start();
  await waitUntil(() => requests('round:decline') === 1, 'decline');
  expect(lastDecision()).toMatchObject({ code: 'TASK_WITHDRAWN' });
});

test('what was trained alone and waits to be let out never goes out of a site that has withdrawn', async () => {
  agent.settings.more = 'policy: { shareBaseline: true }\n';
  agent.coordinator.handlers.set('upload:range', () => new Promise(() => undefined));
  await agent.start();
  agent.task.askBaselineUpload(1);
  await waitUntil(() => requests('upload:range') > 0, 'upload');
  await withdraw();
  await waitUntil(() => agent.task.asked.length === 0, 'the decline');
  const [decline] = agent.coordinator
    .requestsOf('evaluation:decline')
    .map((raw) => siteCommands['evaluation:decline'].request.parse(raw).decline.payload);
  expect(Buffer.from(decline ?? []).toString()).toContain(reason);
  expect(requests('upload:commit')).toBe(0);
  const work = join(agent.directory, 'data', 'work', 'lung');
  const left = await readdir(work, { recursive: true });
  expect(left.filter((name) => name.includes('upload.'))).toEqual([]);
});
