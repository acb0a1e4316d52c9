import { taskIdSchema } from '#core/protocol';
import type { EvaluationRequestView } from '../evaluation/evaluation-requests.contract.ts';
import { nowMs, refusal, World, type Answer } from '../testing/admin-world.ts';

const request = '0123456789abcdef';
const open: EvaluationRequestView = {
  request,
  task: taskIdSchema.parse('chest'),
  subject: 'global',
  owner: null,
  reason: null,
  requestedAtMs: nowMs,
  deadlineAtMs: nowMs + 1000,
  closedAtMs: null,
  summary: '0 of 1 done',
  items: [],
};
const closed = { ...open, closedAtMs: nowMs, summary: '1 of 1 done' };

/** A coordinator that was asked for evaluations and answers so, look by look; at last always the same. */
function worldOf(...looks: readonly (() => Answer)[]) {
  let count = 0;
  return new World({
    'POST /v1/tasks/chest/evaluation-requests': () => ({ status: 201, body: open }),
    'GET /v1/tasks/chest/evaluation-requests': () => {
      const look = looks[Math.min(count, looks.length - 1)];
      count += 1;
      if (look === undefined) throw new Error('expected a look');
      return look();
    },
  });
}

const wait = ['tasks', 'evaluate', 'chest', '--versions', '1', '--wait', '--json'];
const away = (): Answer => {
  throw new Error('connection refused');
};
const draining = (): Answer => refusal(503, 'DRAINING', 'the coordinator drains');
const seen =
  (view: EvaluationRequestView): (() => Answer) =>
  () => ({ body: { requests: [view], nextCursor: null } });

describe('waiting for evaluations', () => {
  test('outlasts a coordinator that is away, or drains, and tells the result in one line', async () => {
    const world = worldOf(away, away, away, draining, seen(open), seen(closed));
    await world.run(...wait);
    expect(JSON.parse(world.printed)).toEqual(closed);
    expect(world.exitCode).toBe(0);
  });

  test('says that it waits all the same', async () => {
    const world = worldOf(away, away, away, seen(closed));
    await world.run(...wait.slice(0, -1));
    expect(world.told.split(`request ${request} is waited for all the same`)).toHaveLength(2);
    expect(world.exitCode).toBe(0);
  });

  test('ends at once where it may not look', async () => {
    const world = worldOf(() => refusal(403, 'FORBIDDEN', 'not for your role'));
    await world.run(...wait);
    expect(world.exitCode).toBe(7);
    expect(world.printed).toBe('');
  });
});
