import type { Health, Site, Task } from '../api/schemas.ts';
import { concernsOf } from './concerns.ts';

const nowMs = 1_800_000_000_000;
const minute = 60_000;

const site = (change: Partial<Site>): Site => ({
  site: 'north',
  status: 'active',
  reason: null,
  fingerprint: null,
  invitedAtMs: 0,
  enrolledAtMs: null,
  approvedAtMs: null,
  lostRounds: 0,
  isConnected: true,
  lastSeenAtMs: nowMs - 1000,
  agentVersion: null,
  capabilities: null,
  heartbeat: null,
  ...change,
});

type Stated = Pick<Task, 'status' | 'reason' | 'incompleteRounds' | 'openingRefusal'>;
const task = (change: Partial<Stated>): Task => ({
  task: 'breast',
  title: '',
  status: 'running',
  reason: null,
  latestVersion: 0,
  promotedVersion: null,
  nextBaseVersion: 0,
  revision: '',
  rounds: 3,
  incompleteRounds: [],
  schedule: null,
  createdAtMs: 0,
  definition: {
    mode: 'clear',
    classes: [],
    rank: 4,
    alpha: 4,
    trainedTensors: 'all',
    backbone: { name: 'vit', fingerprint: '', dimension: 8, blocks: 1, imageSize: 16 },
    plan: {
      optimiser: { name: 'adamw', learningRate: 1 },
      duration: { unit: 'epochs', count: 1 },
      batchSize: 1,
      loss: { name: 'cross-entropy' },
      augmentation: { name: 'none' },
    },
    aggregation: { method: 'fedavg', weights: 'samples' },
    rules: { quorumSites: 1, deadlineMs: 1000 },
    members: [],
  },
  openingRefusal: null,
  currentRound: null,
  ...change,
});

const health = (isLow: boolean): Health => ({
  version: '',
  federation: '',
  coordinatorFingerprint: '',
  databaseKind: 'pglite',
  uptimeSeconds: 1,
  isDraining: false,
  disk: { freeBytes: 1_000_000, reserveBytes: 2_000_000, isLow },
});

const known = { health: health(false), sites: [site({})], tasks: [task({})], nowMs };

test('where everything goes on by itself, nobody is called', () => {
  expect(concernsOf(known)).toEqual([]);
  expect(concernsOf({ health: undefined, sites: [], tasks: [], nowMs })).toEqual([]);
});

test.each([
  ['a site to approve', { status: 'pending' }, 'act', /waits for approval/],
  ['a silent one', { lastSeenAtMs: nowMs - 10 * minute }, 'act', /^Silent, last heard 10 min ago/],
  ['one that left the line', { isConnected: false }, 'look', /^Not connected, last heard 1 s ago/],
  ['one never heard', { lastSeenAtMs: null, isConnected: false }, 'look', /never heard/],
  ['one that loses rounds', { lostRounds: 2 }, 'look', /lost 2 rounds in a row/],
  ['a suspended one', { status: 'suspended', reason: 'asked for' }, 'look', /suspended: asked for/],
] as const)('%s', (_name, change, urgency, text) => {
  const concerns = concernsOf({ ...known, sites: [site(change)] });
  expect(concerns).toEqual([
    {
      urgency,
      about: 'north',
      to: { page: 'site', site: 'north' },
      text: expect.stringMatching(text),
    },
  ]);
});

test('a site that was revoked or has left needs nobody', () => {
  const gone = ['revoked', 'left', 'invited'].map((status) => site({ status, isConnected: false }));
  expect(concernsOf({ ...known, sites: gone })).toEqual([]);
});

test.each([
  [
    'failed',
    { status: 'failed', reason: 'three attempts' },
    'act',
    'The task has failed: three attempts',
  ],
  ['paused', { status: 'paused' }, 'act', 'The task is paused.'],
  ['not started', { status: 'created' }, 'act', 'The task was created and not started.'],
  [
    'with sites missing',
    { incompleteRounds: [1] },
    'look',
    '1 round was published without all planned sites.',
  ],
])('a task %s', (_name, change: Partial<Stated>, urgency, text) => {
  const [concern] = concernsOf({
    ...known,
    tasks: [task(change)],
  });
  expect(concern).toMatchObject({ urgency, about: 'breast', text });
});

test('a finished task that lacked a site calls nobody any more', () => {
  const finished = task({ status: 'finished', incompleteRounds: [1] });
  expect(concernsOf({ ...known, tasks: [finished] })).toEqual([]);
});

test('what holds every task back is said once, a full disk with its figures, the urgent first', () => {
  const refusal = (code: string) => task({ openingRefusal: { code, message: `because ${code}` } });
  const tasks = [refusal('DRAINING'), refusal('DRAINING'), refusal('DISK_LOW')];
  const concerns = concernsOf({ ...known, tasks, health: health(true) });
  expect(concerns.map(({ urgency, text }) => `${urgency} ${text}`)).toEqual([
    expect.stringMatching(/^act The disk has 1.0 MB free, and 2.0 MB are kept back/),
    'look because DRAINING',
  ]);
});
