import { pickTask } from './pick-task.ts';

const task = (name: string, change: object = {}) => ({
  ...{ task: name, status: 'finished', promotedVersion: null, createdAtMs: 5 },
  definition: { members: ['north', 'south'] },
  ...change,
});
const alone = task('alone', { definition: { members: ['north'] }, createdAtMs: 9 });
const older = task('older', { createdAtMs: 4 });
const plain = task('plain');
const promoted = task('promoted', { promotedVersion: 3, createdAtMs: 1 });
const running = task('running', { status: 'running', definition: { members: ['north'] } });

test.each([
  ['that runs', [running, promoted, plain, alone], 'running'],
  ['that people use, where none runs', [plain, promoted, alone], 'promoted'],
  ['of most hospitals, where people use none', [alone, older, plain], 'plain'],
  ['that is newest of those', [plain, older], 'plain'],
])('the overview shows the task %s', (_name, tasks, expected) => {
  expect(pickTask(tasks, undefined)?.task).toBe(expected);
  expect(pickTask([...tasks].reverse(), undefined)?.task).toBe(expected);
});

test('the overview shows the task that was chosen, and another where that is gone', () => {
  expect(pickTask([running, plain], 'plain')?.task).toBe('plain');
  expect(pickTask([running, plain], 'removed')?.task).toBe('running');
  const none: (typeof plain)[] = [];
  expect(pickTask(none, 'removed')).toBeUndefined();
});
