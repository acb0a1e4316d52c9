import { nowMs, refusal, World } from '../testing/admin-world.ts';

const webhook = 'wh-0123456789abcdef';
const view = {
  ...{ webhook, url: 'https://alerts.example/melo', kinds: ['site-silent', 'disk-low'] },
  ...{ createdAtMs: nowMs, pending: 2 },
};
const delivery = {
  ...{ delivery: 7, webhook, id: `msg_${'0'.repeat(32)}`, alert: `alert_${'0'.repeat(32)}` },
  ...{ kind: 'test', state: 'raised', subject: `webhook:${webhook}`, summary: 'A test.' },
  ...{ status: 'pending', attempts: 0, createdAtMs: nowMs, nextAtMs: nowMs },
  ...{ deliveredAtMs: null, lastOutcome: null },
};
const settled = (status: string, lastOutcome: string) => ({
  ...{ ...delivery, status, lastOutcome, attempts: 1, nextAtMs: null },
  deliveredAtMs: status === 'delivered' ? nowMs : null,
});
const deliveriesPath = `GET /v1/webhooks/${webhook}/deliveries`;

describe('melo admin webhooks', () => {
  test('adds an address and prints its secret alone, so that it can be piped into a file', async () => {
    const bodies: unknown[] = [];
    const world = new World({
      'POST /v1/webhooks': (_, body) => {
        bodies.push(body);
        return { status: 201, body: { webhook: view, secret: 'whsec_x' } };
      },
    });
    await world.run('webhooks', 'add', view.url, '--kinds', 'site-silent, disk-low');
    expect(bodies).toEqual([{ url: view.url, kinds: ['site-silent', 'disk-low'] }]);
    expect(world.printed).toBe('whsec_x\n');
    expect(world.told).toContain(`next: melo admin webhooks test ${webhook}`);
  });

  test('lists addresses and what they were told, and removes one', async () => {
    const world = new World({
      'GET /v1/webhooks': () => ({ body: { webhooks: [view], nextCursor: null } }),
      [deliveriesPath]: () => ({
        body: { deliveries: [settled('failed', '503')], nextCursor: '7' },
      }),
      [`DELETE /v1/webhooks/${webhook}`]: () => ({ body: {} }),
    });
    await world.run('webhooks', 'list');
    expect(world.printed).toMatch(/wh-0123456789abcdef\s+https:\S+\s+site-silent, disk-low\s+2/);
    await world.run('webhooks', 'deliveries', webhook, '--limit', '1');
    expect(world.printed).toMatch(/test raised\s+webhook:wh-0123456789abcdef\s+failed\s+1\s+503/);
    expect(world.told).toContain('there are more: a larger --limit');
    await world.run('webhooks', 'remove', webhook);
    expect(world.printed).toContain(`${webhook} is removed\n`);
  });

  test.each([
    ['says that a test was taken', settled('delivered', '204'), 0, 'took the test (204)'],
    ['says what a test came to', settled('failed', 'timeout'), 9, 'it came to timeout'],
  ])('%s', async (_name, outcome, exitCode, said) => {
    const world = new World({
      [`POST /v1/webhooks/${webhook}/test`]: () => ({ status: 202, body: delivery }),
      [deliveriesPath]: () => ({ body: { deliveries: [outcome], nextCursor: null } }),
    });
    await world.run('webhooks', 'test', webhook);
    expect(world.exitCode).toBe(exitCode);
    expect(world.printed + world.told).toContain(said);
  });

  test('prints the answers themselves with --json', async () => {
    const world = new World({
      'GET /v1/webhooks': () => ({ body: { webhooks: [view], nextCursor: null } }),
    });
    await world.run('webhooks', 'list', '--json');
    expect(JSON.parse(world.printed)).toEqual({ webhooks: [view], hasMore: false });
  });

  test.each([
    ['an address in plain http', ['http://alerts.example/'], 2],
    ['a kind that is none', ['https://alerts.example/', '--kinds', 'weather'], 2],
    ['an address that is told already', ['https://alerts.example/'], 9],
  ])('ends with an exit code for %s', async (_name, options, exitCode) => {
    const world = new World({ 'POST /v1/webhooks': () => refusal(409, 'STATE_CONFLICT', 'no') });
    await world.run('webhooks', 'add', ...options);
    expect(world.exitCode).toBe(exitCode);
    expect(world.printed).toBe('');
  });
});
