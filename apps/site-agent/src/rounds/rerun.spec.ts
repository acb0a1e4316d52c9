/** A task that is run again from an earlier version, as a site sees it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AgentHarness } from '../testing/agent-harness.ts';
import { InProcessTrainer } from '../testing/in-process-trainer.ts';
import { waitUntil } from '../testing/wait-until.ts';

let agent: AgentHarness;

beforeEach(async () => {
  agent = await AgentHarness.create();
});

afterEach(() => agent.remove());

const lastDecision = () => agent.decisions().at(-1);
const journalSchema = z.looseObject({
  known: z.looseObject({ adapterDigests: z.array(z.string().nullable()).optional() }),
});
const journalFile = (): string => join(agent.directory, 'data', 'journal', 'lung.json');
const readJournal = async () =>
  journalSchema.parse(JSON.parse(await readFile(journalFile(), 'utf8')));

/** Two rounds from the newest version each. */
async function twoRounds(): Promise<void> {
  const { task } = agent;
  await agent.start();
  for (const round of [1, 2]) {
    task.openRound();
    await waitUntil(() => task.updates.length === round, `update ${round}`);
    task.publish(round === 2);
  }
  const isVersion2 = (event: (typeof agent.events)[number]): boolean =>
    event.event === 'version' && event.version === 2;
  await waitUntil(() => agent.events.some(isVersion2), 'version 2');
}

test('a round starts from a version that the site knows, and the chain goes on', async () => {
  await twoRounds();
  const { task } = agent;
  for (const [round, base] of [
    [3, 1],
    [4, 0],
    [5, 2],
  ] as const) {
    task.rerunFrom = base;
    task.openRound();
    await waitUntil(() => task.updates.length === round, `update ${round}`);
    const { adapterFile } = agent.trainer.jobs.findLast(({ training }) => training !== null) ?? {};
    expect(adapterFile).toMatch(`version-${base}.safetensors`);
    task.publish(round === 5);
  }
  expect(agent.decisions().map(({ decision }) => decision)).toEqual(Array(5).fill('accept'));
});

test.each([
  ['another file under the number of an earlier version', { globalVersion: 1 }],
  ['another version 0 than the first round started from', { globalVersion: 0 }],
  ['a number that was made already', { round: 2, globalVersion: 1 }],
  ['a version that is not there yet', { globalVersion: 3 }],
])('%s is declined', async (_what, change) => {
  await twoRounds();
  agent.task.alter = (open) => ({ ...open, ...change, globalAdapterDigest: 'ee'.repeat(32) });
  agent.task.openRound();
  await waitUntil(() => agent.decisions().length === 3, 'decision');
  expect(lastDecision()).toMatchObject({ decision: 'decline', code: 'VERSION_FORK' });
  expect(agent.task.updates).toHaveLength(2);
});

/** Leave in the journal what release 0.1.0 did, after two rounds. */
async function asWrittenBefore(change: object = {}): Promise<void> {
  await twoRounds();
  await agent.stop();
  const state = await readJournal();
  delete state.known.adapterDigests;
  Object.assign(state.known, change);
  await writeFile(journalFile(), JSON.stringify(state));
  agent.trainer = new InProcessTrainer();
  agent.task.rerunFrom = 1;
  agent.task.openRound();
  await agent.start();
}

test('a journal of an older release takes the chain again from version 0', async () => {
  await asWrittenBefore();
  await waitUntil(() => agent.task.updates.length === 3, 'update');
  expect((await readJournal()).known.adapterDigests).toHaveLength(3);
});

test('a chain that does not lead to the remembered result is a fork', async () => {
  await asWrittenBefore({ resultDigest: 'ee'.repeat(32) });
  await waitUntil(() => agent.decisions().length === 3, 'decision');
  expect(lastDecision()).toMatchObject({ decision: 'decline', code: 'VERSION_FORK' });
});
