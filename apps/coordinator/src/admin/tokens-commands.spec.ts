import { nowMs, refusal, World } from '../testing/admin-world.ts';

const dayMs = 86_400_000;
const view = {
  ...{ token: '0a1b2c3d', name: 'nightly report', owner: null, scopes: ['read', 'audit'] },
  ...{ createdAtMs: nowMs, expiresAtMs: nowMs + 30 * dayMs, lastUsedAtMs: null },
};

describe('melo admin tokens', () => {
  test('makes a token and prints it alone, so that it can be piped into a file', async () => {
    const bodies: unknown[] = [];
    const world = new World({
      'POST /v1/tokens': (_, body) => {
        bodies.push(body);
        return { status: 201, body: { token: view, secret: 'melo_token_x' } };
      },
    });
    const scopes = ['--scopes', 'read,audit', '--days', '30'];
    await world.run('tokens', 'create', 'nightly report', ...scopes);
    expect(bodies).toEqual([{ name: 'nightly report', scopes: ['read', 'audit'], days: 30 }]);
    expect(world.printed).toBe('melo_token_x\n');
    expect(world.told).toMatch(/token 0a1b2c3d is shown this once; it ends .* \(in 30 days\)/);
  });

  test('lists and revokes tokens', async () => {
    const world = new World({
      'GET /v1/tokens': () => ({ body: { tokens: [view], nextCursor: null } }),
      'DELETE /v1/tokens/0a1b2c3d': () => ({ body: {} }),
    });
    await world.run('tokens', 'list');
    expect(world.printed).toMatch(/0a1b2c3d\s+nightly report\s+administrator\s+read, audit.*never/);
    await world.run('tokens', 'revoke', '0a1b2c3d');
    expect(world.printed).toContain('0a1b2c3d is revoked\n');
  });

  test.each([
    ['a scope that is none', ['--scopes', 'read,root'], 2],
    ['days that are none', ['--days', 'many'], 2],
    ['what the coordinator does not allow', [], 7],
  ])('ends with an exit code for %s', async (_name, options, exitCode) => {
    const world = new World({ 'POST /v1/tokens': () => refusal(403, 'FORBIDDEN', 'no') });
    await world.run('tokens', 'create', 'x', ...options);
    expect(world.exitCode).toBe(exitCode);
    expect(world.printed).toBe('');
  });
});
