import { refusal, World } from '../testing/admin-world.ts';

const revision = '0123456789abcdef';
const why = ['--reason', 'a holiday'];

/** A coordinator that somebody else changed first, and what it was sent. */
function worldOf(path: string) {
  const bodies: unknown[] = [];
  const world = new World({
    [`POST /v1/tasks/chest/${path}`]: (_, body) => {
      bodies.push(body);
      return refusal(409, 'STATE_CONFLICT', 'tasks: expected another revision; look again');
    },
  });
  return { world, bodies };
}

describe('a command that changes a task', () => {
  test.each([
    ['start', ['tasks', 'start', 'chest']],
    ['pause', ['tasks', 'pause', 'chest']],
    ['resume', ['tasks', 'resume', 'chest']],
    ['cancel', ['tasks', 'cancel', 'chest', ...why]],
    ['rerun', ['tasks', 'rerun', 'chest', '--from', '2', ...why]],
    ['rollback', ['tasks', 'rollback', 'chest', '--to', '2', ...why]],
    ['schedule', ['tasks', 'schedule', 'chest', '--none']],
    ['promote', ['adapters', 'promote', 'chest', '--none']],
  ])(
    '%s goes with the revision that was looked at, and without one where none is named',
    async (path, words) => {
      const { world, bodies } = worldOf(path);
      await world.run(...words, '--if-revision', revision);
      expect(bodies).toEqual([expect.objectContaining({ ifRevision: revision })]);
      expect(world.exitCode).toBe(9);
      expect(world.told).toContain('look again');
      await world.run(...words);
      expect(bodies[1]).not.toHaveProperty('ifRevision');
    },
  );

  test('an attempt is abandoned as the one that was looked at', async () => {
    const { world, bodies } = worldOf('rounds/3/abandon');
    await world.run('rounds', 'abandon', 'chest', '3', ...why, '--if-attempt', '2');
    await world.run('rounds', 'abandon', 'chest', '3', ...why);
    const reason = 'a holiday';
    expect(bodies).toEqual([{ reason, ifAttempt: 2 }, { reason }]);
    expect(world.exitCode).toBe(9);
  });

  test.each(['12', 'latest', '0123456789ABCDEF'])('is not sent with %j for one', async (text) => {
    const { world, bodies } = worldOf('pause');
    await world.run('tasks', 'pause', 'chest', '--if-revision', text);
    expect(world.exitCode).toBe(2);
    expect(world.told).toContain('tasks show');
    expect(bodies).toEqual([]);
  });
});
