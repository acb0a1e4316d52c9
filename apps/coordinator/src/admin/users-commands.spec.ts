import { nowMs, refusal, World } from '../testing/admin-world.ts';

const user = (change: object = {}) => ({
  ...{ user: 'anna', role: 'steward', site: 'north', status: 'active', reason: null, version: 3 },
  ...{ createdAtMs: nowMs - 86_400_000, lastSignInAtMs: nowMs - 60_000, password: 'own' },
  ...{ hasSecondFactor: false, issuer: null },
  ...change,
});

describe('melo admin users', () => {
  test('lists people as a table, and says what to do where there are none', async () => {
    const world = new World({
      'GET /v1/users': () => ({ body: { users: [user()], nextCursor: null } }),
    });
    await world.run('users', 'list');
    expect(world.printed).toMatch(/anna\s+steward of north\s+active\s+own\s+no\s+.*1 min ago/);
    const empty = new World({ 'GET /v1/users': () => ({ body: { users: [], nextCursor: null } }) });
    await empty.run('users', 'list');
    expect(empty.told).toContain('melo admin users create');
  });

  test('prints a temporary password once, and the answer alone with --json', async () => {
    const bodies: unknown[] = [];
    const answer = { user: user({ password: 'temporary' }), temporaryPassword: 'abcd-efgh' };
    const create = (_: unknown, body: unknown) => {
      bodies.push(body);
      return { status: 201, body: answer };
    };
    const world = new World({ 'POST /v1/users': create });
    await world.run('users', 'create', 'anna', '--role', 'steward', '--site', 'north');
    expect(world.printed).toBe('anna is steward of north\ntemporary password: abcd-efgh\n');
    const json = new World({ 'POST /v1/users': create });
    await json.run('users', 'create', 'anna', '--role', 'viewer', '--json');
    expect(JSON.parse(json.printed)).toEqual(answer);
    expect(json.told).toBe('');
    expect(bodies).toEqual([
      { user: 'anna', role: 'steward', site: 'north' },
      { user: 'anna', role: 'viewer' },
    ]);
  });

  test('takes a chosen password from a person or standard input, and no option takes one', async () => {
    const bodies: unknown[] = [];
    const world = new World({
      'POST /v1/users/anna/password': (_, body) => {
        bodies.push(body);
        return { body: { user: user(), temporaryPassword: null } };
      },
    });
    world.answer = 'a phrase of four words';
    await world.run('users', 'password', 'anna', '--choose', '--if-version', '3');
    expect(bodies).toEqual([{ password: 'a phrase of four words', ifVersion: 3 }]);
    expect(world.printed + world.told).not.toContain('a phrase of four words');
    world.answer = '';
    await world.run('users', 'password', 'anna', '--choose');
    expect(world.exitCode).toBe(2);
    await expect(
      new World({}).run('users', 'create', 'x', '--role', 'viewer', '--password', 'secret'),
    ).rejects.toThrow(/unknown option/);
  });

  test('changes, suspends, resumes and removes, on the version that was looked at', async () => {
    const bodies: unknown[] = [];
    const note = (_: unknown, body: unknown) => {
      bodies.push(body);
      return { body: user({ role: 'viewer', site: null }) };
    };
    const world = new World({
      'POST /v1/users/anna/role': note,
      'POST /v1/users/anna/suspend': note,
      'POST /v1/users/anna/resume': note,
      'POST /v1/users/anna/second-factor/remove': note,
      'DELETE /v1/users/anna': (request) => {
        bodies.push(new URL(request.url).search);
        return { body: {} };
      },
    });
    await world.run('users', 'role', 'anna', '--role', 'viewer', '--if-version', '3');
    await world.run('users', 'suspend', 'anna', '--reason', 'left');
    await world.run('users', 'resume', 'anna');
    await world.run('users', 'second-factor', 'anna', '--if-version', '3');
    await world.run('users', 'remove', 'anna', '--if-version', '4');
    expect(bodies).toEqual([
      { role: 'viewer', ifVersion: 3 },
      { reason: 'left' },
      {},
      { ifVersion: 3 },
      '?ifVersion=4',
    ]);
    expect(world.printed).toContain('anna is viewer\n');
  });

  test.each([
    ['PASSWORD_REFUSED', 422, 2],
    ['STATE_CONFLICT', 409, 9],
    ['NOT_FOUND', 404, 8],
  ])('ends with the exit code of %s', async (code, status, exitCode) => {
    const world = new World({ 'DELETE /v1/users/anna': () => refusal(status, code, 'why') });
    await world.run('users', 'remove', 'anna');
    expect(world.exitCode).toBe(exitCode);
  });
});
