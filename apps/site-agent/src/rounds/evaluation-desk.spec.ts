/** Evaluations beside the rounds, as a site does or declines them. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { signDomains, verifyPayload } from '#core/crypto';
import {
  decodePayload,
  evaluationDeclineSchema,
  evaluationPayloadSchema,
  siteCommands,
  type EvaluationPayload,
} from '#core/protocol';
import { AgentHarness } from '../testing/agent-harness.ts';
import { InProcessTrainer } from '../testing/in-process-trainer.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { ScoreArchive } from './score-archive.ts';

let agent: AgentHarness;

beforeEach(async () => {
  agent = await AgentHarness.create();
});
afterEach(() => agent.remove());

function reports(): EvaluationPayload[] {
  return agent.coordinator.requestsOf('evaluation').map((raw) => {
    const { evaluation } = siteCommands.evaluation.request.parse(raw);
    const { publicKey } = agent.keys.signing;
    const payload = verifyPayload(signDomains.evaluation, evaluation, publicKey);
    return decodePayload(evaluationPayloadSchema, payload, 'evaluation');
  });
}
const subjects = (): string[] => reports().map(({ subject, version }) => `${subject} ${version}`);
/** As the agent says it; looking into every report again and again would take the processor from it. */
const evaluated = (subject: string, version: number): boolean =>
  agent.events.some(
    (event) =>
      event.event === 'evaluated' && event.subject === subject && event.version === version,
  );
const isSent = (count: number): boolean =>
  agent.coordinator.requestsOf('evaluation').length === count;
const declined = () =>
  agent.coordinator.requestsOf('evaluation:decline').map((raw) => {
    const { decline } = siteCommands['evaluation:decline'].request.parse(raw);
    const { publicKey } = agent.keys.signing;
    const payload = verifyPayload(signDomains.evaluationDecline, decline, publicKey);
    return decodePayload(evaluationDeclineSchema, payload, 'decline');
  });

async function rounds(count: number): Promise<void> {
  const { task } = agent;
  await agent.start();
  for (let round = 1; round <= count; round++) {
    task.openRound();
    await waitUntil(() => task.updates.length === round, `update ${round}`);
    task.publish(false);
  }
  const isLast = (event: (typeof agent.events)[number]): boolean =>
    event.event === 'version' && event.version === count;
  await waitUntil(() => agent.events.some(isLast), 'the last version');
}

test('any version is evaluated when it is asked for, and nothing is trained', async () => {
  await rounds(2);
  agent.task.ask(1);
  await waitUntil(() => agent.task.asked.length === 0, 'a report of version 1');
  const report = reports().at(-1);
  expect(report).toMatchObject({ subject: 'global', version: 1, round: null });
  expect(report?.grouping?.groups).toBe(report?.heldOutImages);
  expect(report?.bootstrap?.replicates).toBe(1000);
  expect(report?.comparison).toBeUndefined();
  expect(agent.trainer.jobs.at(-1)).toMatchObject({ parts: ['evaluate-global'], training: null });
  // The newest version is still evaluated in the next round: an older one does not count as it.
  agent.task.openRound();
  await waitUntil(() => evaluated('global', 2), 'a report of version 2');
});

test('a coordinator of the first release gets the reports that it knows', async () => {
  agent.coordinator.handlers.delete('evaluation:get');
  await rounds(1);
  await waitUntil(() => isSent(2), 'both reports');
  for (const { report, grouping, bootstrap } of reports()) {
    expect(report.confidence).toBeUndefined();
    expect(grouping).toBeUndefined();
    expect(bootstrap).toBeUndefined();
  }
});

test('a policy declines with its reason; so does a file that is none of the chain', async () => {
  agent.settings.more = 'policy: { evaluations: false }\n';
  await rounds(1);
  agent.task.ask(1);
  await waitUntil(() => agent.task.asked.length === 0, 'the decline');
  expect(declined()[0]).toMatchObject({
    code: 'TASK_NOT_ALLOWED',
    reason: 'by its policy this site evaluates nothing beside the rounds',
  });
  await agent.stop();
  agent.settings.more = '';
  await agent.start();
  agent.task.ask(1, { versions: [{ version: 1, adapterDigest: 'ab'.repeat(32) }] });
  await waitUntil(() => agent.task.asked.length === 0, 'the second decline');
  expect(declined()[1]).toMatchObject({ code: 'VERSION_FORK', version: 1 });
  expect(subjects()).not.toContain('global 1');
});

test('what a request asks while the agent is away is done when it is back', async () => {
  await rounds(1);
  await agent.stop();
  agent.task.ask(1);
  agent.trainer = new InProcessTrainer();
  await agent.start();
  await waitUntil(() => agent.task.asked.length === 0, 'a report of version 1');
});

test('a baseline is trained once, gives way to rounds, stays here and is compared with a version', async () => {
  agent.settings.more = 'policy: { comparison: true }\n';
  const { task } = agent;
  await agent.start();
  let isHeld = true;
  const { trainer } = agent;
  trainer.stopsAt = (message) =>
    isHeld && message.type === 'progress' && message.phase === 'training';
  const stopped = new Promise<void>((resolve) => {
    trainer.onStopped = resolve;
  });
  task.askBaseline(3);
  await stopped;
  isHeld = false;
  task.openRound(); // the baseline stands still: only its end or its being called off lets the round begin
  await waitUntil(() => task.updates.length === 1, 'the update');
  task.publish(false);
  await waitUntil(() => task.asked.length === 0, 'the baseline to be reported');
  const baseline = reports().find(({ subject }) => subject === 'baseline');
  expect(baseline).toMatchObject({ version: 0, round: null });
  const trained = trainer.jobs.filter(({ training }) => training?.stream === 'lung/north/baseline');
  expect(trained.at(-1)?.training?.plan).toMatchObject({
    duration: { unit: 'epochs', count: 3 },
    schedule: { totalRounds: 2 / 3 },
  });
  task.ask(1);
  await waitUntil(() => task.asked.length === 0, 'a report of version 1');
  const { comparison, report } = reports().find(({ version }) => version === 1) ?? {};
  expect(comparison?.replicates).toBe(1000);
  expect(report?.confidence).toBeDefined();

  const archive = new ScoreArchive(join(agent.directory, 'data'));
  expect(await archive.versions('lung')).toEqual([0, 1]);
  const file = join(agent.directory, 'data', 'scores', 'lung', 'baseline.json');
  expect(readdirSync(join(file, '..'))).toContain('baseline.json');
  expect(await archive.read('lung', null)).toMatchObject({ scored: { classes: 2 } });
});

test('an adapter that was trained alone leaves only where the policy says so, the same bytes after a restart', async () => {
  const { task } = agent;
  await agent.start();
  task.askBaselineUpload(1);
  await waitUntil(() => task.asked.length === 0, 'the decline');
  expect(declined()[0]).toMatchObject({
    code: 'TASK_NOT_ALLOWED',
    reason: 'by its policy this site does not let out the adapter that it trained alone',
  });
  expect(agent.coordinator.requestsOf('upload:begin')).toEqual([]);
  await agent.stop();

  agent.settings.more = 'policy: { shareBaseline: true }\n';
  agent.trainer = new InProcessTrainer();
  const commit = agent.coordinator.handlers.get('upload:commit');
  if (commit === undefined) throw new Error('expected a handler');
  const isTried = new Promise<void>((tried) => {
    agent.coordinator.handlers.set('upload:commit', () => {
      tried();
      return new Promise(() => undefined); // the agent stops before it hears of the end
    });
  });
  await agent.start();
  task.askBaselineUpload(1);
  await isTried;
  await agent.stop();
  agent.coordinator.handlers.set('upload:commit', commit);
  agent.trainer = new InProcessTrainer();
  await agent.start();
  await waitUntil(() => task.adapters.length === 1, 'the adapter');
  const ids = agent.coordinator
    .requestsOf('upload:begin')
    .map((raw) => siteCommands['upload:begin'].request.parse(raw).uploadId);
  expect(new Set(ids).size).toBe(1);
  expect(agent.trainer.jobs).toEqual([]); // trained and sealed once
  expect(task.adapters[0]?.some((value) => value !== 0)).toBe(true);
  expect(subjects()).toEqual(['baseline 0']);
  const isLeft = (event: (typeof agent.events)[number]) => event.event === 'baseline-shared';
  await waitUntil(() => agent.events.some(isLeft), 'the news of it');
});

test('an adapter of another site is evaluated whole, without what this site keeps, and is not kept', async () => {
  agent.settings.more = 'policy: { comparison: true }\n';
  const left = join(agent.directory, 'data', 'work', 'lung', 'cross-0123456789abcdef');
  mkdirSync(left, { recursive: true }); // a crash left it
  await agent.start();
  await waitUntil(() => !existsSync(left), 'the removal of what a crash left');
  agent.task.askCross(0.5);
  await waitUntil(() => agent.task.asked.length === 0, 'the report');
  const [report] = reports();
  expect(report).toMatchObject({ subject: 'cross', version: 0, round: null });
  expect(report?.comparison).toBeUndefined();
  expect(agent.trainer.jobs.at(-1)).toMatchObject({ siteStateFile: null, compareWith: null });
  const data = join(agent.directory, 'data');
  expect(readdirSync(join(data, 'adapters'), { recursive: true })).toEqual([]);
  await waitUntil(() => readdirSync(join(data, 'work', 'lung')).length === 0, 'its removal');
  expect(await new ScoreArchive(data).versions('lung')).toEqual([]);
});
