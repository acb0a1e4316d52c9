/** The journal: durable, and no change undoes another. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { roundKeySchema } from '#core/protocol';
import { TaskJournal } from './task-journal.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-journal-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('changes made at one time are all kept, also for the next process', async () => {
  const journal = await TaskJournal.open(directory);
  const known = {
    version: 1,
    resultDigest: 'ab'.repeat(32),
    adapterDigest: 'cd'.repeat(32),
    adapterDigests: [null, 'cd'.repeat(32)],
    isFinal: true,
  };
  const key = roundKeySchema.parse({ task: 'lung', round: 1, attempt: 1 });
  const round = { key, roundOpenDigest: 'ef'.repeat(32), phase: 'uploaded' } as const;
  await Promise.all([
    journal.update('lung', { known }),
    journal.update('lung', { round }),
    journal.update('lung', ({ round: present }) => ({
      evaluatedVersion: present === null ? 7 : 0,
    })),
    journal.update('liver', { evaluatedVersion: 3 }),
  ]);
  const expected = { version: 1, task: 'lung', known, round, evaluatedVersion: 0, fork: null };
  expect(journal.get('lung')).toEqual(expected);
  const reopened = await TaskJournal.open(directory);
  expect(reopened.get('lung')).toEqual(expected);
  expect(reopened.list()).toHaveLength(2);
});

test('a damaged state is refused by the name of its file', async () => {
  await writeFile(join(directory, 'lung.json'), '{"version":1}');
  await expect(TaskJournal.open(directory)).rejects.toThrow('lung.json');
});
