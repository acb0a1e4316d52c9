/** A coordinator that was restored from a backup, as a site sees it that saw more than the backup has. */
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { siteCommands } from '#core/protocol';
import { acceptAudit } from '../commands/agent-audit.ts';
import { describeTask } from '../commands/agent-setup.ts';
import { AgentHarness } from '../testing/agent-harness.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { TaskJournal } from './task-journal.ts';

let agent: AgentHarness;
let printed: string;
const write = process.stdout.write;

beforeEach(async () => {
  agent = await AgentHarness.create();
  printed = '';
});

afterEach(() => agent.remove());

const config = (): string => join(agent.directory, 'agent.yaml');
const eventsOf = (name: string) => agent.events.filter(({ event }) => event === name);
const lastDecision = () => agent.decisions().at(-1);
const uploadIds = (): string[] =>
  agent.coordinator
    .requestsOf('upload:begin')
    .map((raw) => siteCommands['upload:begin'].request.parse(raw).uploadId);
const isKept = (): boolean =>
  readdirSync(join(agent.directory, 'data', 'outbox')).some((name) => name.endsWith('.sent'));

/** Somebody at the site accepts; the agent hears of it. */
async function accept(): Promise<void> {
  await writeFile(
    config(),
    'dataDirectory: data\nbackbones: [vit]\ntasks: { lung: { images: images } }\n',
  );
  process.stdout.write = (text) => {
    printed += String(text);
    return true;
  };
  try {
    await acceptAudit(config());
  } finally {
    process.stdout.write = write;
  }
  await waitUntil(() => eventsOf('fork-accepted').length === 1, 'the acceptance');
}

test('an update that it had acknowledged is sent again, byte for byte and without training', async () => {
  const { task, uploads } = agent;
  await agent.start();
  task.openRound();
  await waitUntil(() => eventsOf('uploaded').length === 1, 'upload');
  await waitUntil(isKept, 'the copy');
  uploads.forget();
  task.status = 'accepted';
  agent.coordinator.announce(9);
  await waitUntil(() => eventsOf('uploaded').length === 2, 'second upload');
  expect(eventsOf('upload-again')).toMatchObject([{ task: 'lung', round: 1, attempt: 1 }]);
  expect(new Set(uploadIds()).size).toBe(1);
  expect(task.updates).toHaveLength(2);
  expect(task.updates[1]).toEqual(task.updates[0]);
  expect(agent.trainer.jobs.filter(({ training }) => training !== null)).toHaveLength(1);
  task.publish(false);
  await waitUntil(() => eventsOf('version').length === 1, 'version');
  await waitUntil(() => !isKept(), 'its removal');
});

test('versions that are not there any more are declined, said and shown, until a person accepts', async () => {
  const { task } = agent;
  await agent.start();
  for (const round of [1, 2]) {
    task.openRound();
    await waitUntil(() => task.updates.length === round, `update ${round}`);
    task.publish(false);
  }
  await waitUntil(() => eventsOf('version').length === 2, 'version 2');
  task.goBackTo(1);
  task.openRound();
  await waitUntil(() => agent.decisions().length === 3, 'decision');
  expect(lastDecision()).toMatchObject({ decision: 'decline', code: 'VERSION_FORK' });
  await waitUntil(() => eventsOf('version-fork').length === 1, 'the event');
  expect(eventsOf('version-fork')).toMatchObject([{ task: 'lung' }]);

  await accept();
  expect(printed).toContain('lung: accepted, although');
  task.abandonRound();
  task.openRound(2);
  await waitUntil(() => task.updates.length === 3, 'update 3');
  task.publish(false);
  await waitUntil(() => eventsOf('version').length > 3, 'the other version 2');
  const journal = await TaskJournal.open(join(agent.directory, 'data', 'journal'));
  expect(journal.get('lung')).toMatchObject({ known: { version: 2 }, fork: null });
  expect(eventsOf('version-fork')).toHaveLength(1);
});

test('an attempt that it opens once more is declined, and taken anew after a person accepted', async () => {
  const { task, uploads } = agent;
  await agent.start();
  task.openRound();
  await waitUntil(() => eventsOf('uploaded').length === 1, 'upload');
  uploads.forget();
  task.abandonRound();
  task.openRound(); // the same round and attempt, under another key
  await waitUntil(() => agent.decisions().length === 2, 'decision');
  expect(lastDecision()).toMatchObject({ decision: 'decline', code: 'VERSION_FORK' });
  expect(task.updates).toHaveLength(1);
  await accept();
  task.status = 'invited';
  agent.coordinator.announce(9);
  await waitUntil(() => task.updates.length === 2, 'update');
  expect(new Set(uploadIds()).size).toBe(2);
  expect(task.updates[1]).toEqual(task.updates[0]);
});

test('the status says what does not fit and what to do', async () => {
  const { task } = agent;
  await agent.start();
  task.openRound();
  await waitUntil(() => task.updates.length === 1, 'update');
  task.publish(false);
  await waitUntil(() => eventsOf('version').length === 1, 'version');
  task.goBackTo(0);
  task.openRound();
  await waitUntil(() => eventsOf('version-fork').length === 1, 'the event');
  const journal = await TaskJournal.open(join(agent.directory, 'data', 'journal'));
  expect(describeTask(journal.get('lung')).join('\n')).toMatch(
    /version 1, .*\n.*VERSION_FORK, its rounds are declined: round 1 starts from version 0.*\n.*audit accept/,
  );
});
