import type { RoundDetail } from '../api/detail-schemas.ts';
import type { Member } from '../api/schemas.ts';
import { spentMs, timelineOf } from './timeline.ts';

const member = (site: string, status: string): Member => ({
  site,
  status,
  reason: null,
  samples: null,
  updateDigest: null,
  progress: null,
  bytesReceived: 0,
  bytesTotal: null,
  trainingLoss: null,
});

const round = (change: Partial<RoundDetail>): RoundDetail => ({
  round: 1,
  attempt: 1,
  phase: 'published',
  reason: null,
  openedAtMs: 1000,
  deadlineAtMs: 9000,
  settledAtMs: 2000,
  quorumSites: 1,
  baseVersion: 0,
  summary: '',
  aggregationGap: null,
  openDigest: '',
  open: { payload: '', signature: '' },
  membership: null,
  figures: null,
  members: [],
  events: [],
  ...change,
});

const event = (atMs: number, type: string, site?: string): RoundDetail['events'][number] => ({
  sequence: atMs,
  atMs,
  event: { type, ...(site === undefined ? {} : { site }) },
});

test('a site waits, is ready, trains and uploads, each until the next begins', () => {
  const events = [
    event(1000, 'opened'),
    event(1100, 'accepted', 'north'),
    event(1150, 'accepted', 'south'),
    event(1200, 'training-started', 'north'),
    event(1700, 'upload-begun', 'north'),
    event(1800, 'reported', 'north'),
  ];
  const { fromMs, toMs, rows } = timelineOf(
    round({ events, members: [member('north', 'reported')] }),
    0,
  );
  expect([fromMs, toMs]).toEqual([1000, 2000]);
  expect(rows).toEqual([
    {
      site: 'north',
      status: 'reported',
      endedAtMs: 1800,
      spans: [
        { doing: 'waiting', fromMs: 1000, toMs: 1100 },
        { doing: 'ready', fromMs: 1100, toMs: 1200 },
        { doing: 'training', fromMs: 1200, toMs: 1700 },
        { doing: 'uploading', fromMs: 1700, toMs: 1800 },
      ],
    },
  ]);
});

test('one that declines did nothing but wait, one that is lost trains to the end of the round', () => {
  const events = [
    event(1300, 'declined', 'north'),
    event(1100, 'accepted', 'south'),
    event(1100, 'training-started', 'south'),
  ];
  const members = [member('north', 'declined'), member('south', 'lost')];
  const [north, south] = timelineOf(round({ events, members }), 0).rows;
  if (north === undefined || south === undefined) throw new Error('two rows');
  expect([spentMs(north, 'waiting'), spentMs(north, 'training')]).toEqual([300, null]);
  expect([spentMs(south, 'training'), south.endedAtMs]).toEqual([900, null]);
});

test('an open round ends now', () => {
  const open = round({ settledAtMs: null, members: [member('north', 'invited')] });
  expect(timelineOf(open, 5000).rows[0]?.spans).toEqual([
    { doing: 'waiting', fromMs: 1000, toMs: 5000 },
  ]);
});
