import type { Column } from './columns.ts';
import { RunTracker } from './tracker.ts';

const column = (task: string, members: string[], rounds: number, work: number): Column => ({
  task,
  label: task,
  members,
  rounds,
  work,
  definition: {} as Column['definition'],
});
const federated = column('federated', ['a', 'b'], 4, 300);
const alone = column('local-a', ['a'], 1, 100);

const training = (task: string, step: number, steps: number) =>
  ({ event: 'training', task, round: 1, step, steps, etaSeconds: null }) as const;
const uploaded = (task: string, egressBytes: number) =>
  ({
    event: 'uploaded',
    task,
    round: 1,
    bytes: 1,
    bytesSent: 1,
    egressBytes,
    status: 'ok',
  }) as const;
const published = (task: string, version: number) =>
  ({ event: 'version', task, version, digest: '', isFinal: false }) as const;

test('a round counts by what its members have done, and begins anew with its version', () => {
  const tracker = new RunTracker([federated, alone]);
  tracker.take('a', uploaded('federated', 100));
  expect(tracker.share(federated)).toBeCloseTo(1 / 8, 9);
  tracker.take('b', training('federated', 1, 2));
  expect(tracker.share(federated)).toBeCloseTo((1 + 0.475) / 8, 9);
  tracker.take('a', published('federated', 1));
  expect(tracker.share(federated)).toBeCloseTo(1 / 4, 9);
  tracker.take('a', training('federated', 2, 2));
  tracker.take('b', published('federated', 1)); // the same version again, seen by the other
  expect(tracker.share(federated)).toBeCloseTo((2 + 0.95) / 8, 9);
  expect(tracker.version('federated')).toBe(1);
});

test('all work together counts by its weight', () => {
  const tracker = new RunTracker([federated, alone]);
  expect(tracker.totalShare).toBe(0);
  tracker.take('b', published('federated', 4));
  expect(tracker.totalShare).toBeCloseTo(0.75, 9);
  tracker.take('a', published('local-a', 1));
  expect(tracker.totalShare).toBeCloseTo(1, 9);
});

test('bytes are summed by site and task', () => {
  const tracker = new RunTracker([federated, alone]);
  tracker.take('a', uploaded('federated', 100));
  tracker.take('a', uploaded('federated', 11));
  tracker.take('b', uploaded('federated', 7));
  tracker.take('a', uploaded('local-a', 1000));
  expect(tracker.bytesSent('federated', 'a')).toBe(111);
  expect(tracker.bytesSent('federated', 'b')).toBe(7);
  expect(tracker.bytesSent('federated', 'c')).toBe(0);
});

test("a site's phase is that of its last event; other lines change nothing", () => {
  const tracker = new RunTracker([federated]);
  expect(tracker.site('a')).toEqual({ phase: 'starting', task: null, share: null });
  const lines = [
    JSON.stringify(training('federated', 3, 4)),
    'a line for people',
    '{"event":"new"}',
  ];
  tracker.follow('a', { linesFrom: (index) => lines.slice(index) });
  expect(tracker.site('a')).toEqual({ phase: 'training', task: 'federated', share: 0.75 });
  lines.push(JSON.stringify(uploaded('federated', 5)));
  tracker.follow('a', { linesFrom: (index) => lines.slice(index) });
  tracker.follow('a', { linesFrom: (index) => lines.slice(index) });
  expect(tracker.site('a').phase).toBe('waiting');
  expect(tracker.bytesSent('federated', 'a')).toBe(5);
});
