import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { adapterDigest } from '#core/adapter';
import { utf8 } from '#core/bytes';
import { taskDefinitionSchema } from '#core/protocol';
import { digest, nowMs, refusal, token, World } from '../testing/admin-world.ts';
import { fingerprintPlaceholder, taskExample } from './task-example.ts';

const site = (changes: Readonly<Record<string, unknown>> = {}) => ({
  site: 'north',
  status: 'active',
  reason: null,
  fingerprint: digest,
  invitedAtMs: nowMs - 3_600_000,
  enrolledAtMs: nowMs - 1_800_000,
  approvedAtMs: null,
  isConnected: true,
  lastSeenAtMs: nowMs - 90_000,
  agentVersion: '0.1.0',
  lostRounds: 0,
  capabilities: null,
  heartbeat: null,
  ...changes,
});

describe('melo admin sites', () => {
  test('an empty federation says what to do next', async () => {
    const world = new World({ 'GET /v1/sites': () => ({ body: { sites: [], nextCursor: null } }) });
    await world.run('sites', 'list');
    expect(world.printed).toBe('no sites yet\n');
    expect(world.told).toContain('melo admin sites invite');
    expect(world.requests[0]?.headers.get('authorization')).toBe(`Bearer ${token}`);
  });

  test('a list shows relative times and whom to approve', async () => {
    const world = new World({
      'GET /v1/sites': () => ({
        body: { sites: [site(), site({ site: 'south', status: 'pending' })], nextCursor: null },
      }),
    });
    await world.run('sites', 'list');
    expect(world.printed).toMatch(/north\s+active\s+yes\s+1 min ago/);
    expect(world.told).toBe('next: melo admin sites approve south\n');
  });

  test('--json prints the answer alone, as one line', async () => {
    const world = new World({ 'GET /v1/sites': () => ({ body: { sites: [], nextCursor: null } }) });
    await world.run('sites', 'list', '--json');
    expect(JSON.parse(world.printed)).toEqual({ sites: [], hasMore: false });
    expect(world.told).toBe('');
  });

  test('a list goes on to its end, or as far as --limit says', async () => {
    const asked: (string | null)[] = [];
    const pages: Readonly<Record<string, { readonly name: string; readonly next: string | null }>> =
      {
        '': { name: 'east', next: 'east' },
        east: { name: 'north', next: 'north' },
        north: { name: 'west', next: null },
      };
    const world = new World({
      'GET /v1/sites': ({ url }) => {
        const cursor = new URL(url).searchParams.get('cursor');
        asked.push(cursor);
        const { name, next } = pages[cursor ?? ''] ?? { name: 'nowhere', next: null };
        return { body: { sites: [site({ site: name })], nextCursor: next } };
      },
    });
    const names = z.object({
      sites: z.array(z.object({ site: z.string() }).transform((each) => each.site)),
      hasMore: z.boolean(),
    });
    await world.run('sites', 'list', '--json');
    expect(names.parse(JSON.parse(world.printed))).toEqual({
      ...{ sites: ['east', 'north', 'west'], hasMore: false },
    });
    expect(asked).toEqual([null, 'east', 'north']);
    world.printed = '';
    await world.run('sites', 'list', '--json', '--limit', '2');
    expect(names.parse(JSON.parse(world.printed))).toEqual({
      ...{ sites: ['east', 'north'], hasMore: true },
    });
    await world.run('sites', 'list', '--limit', '1');
    expect(world.told).toContain('there are more: a larger --limit');
    await world.run('sites', 'list', '--limit', '0');
    expect(world.told).toContain('--limit: expected 1 or more, got 0');
  });

  test('a fingerprint read out in groups of four is sent as the digest', async () => {
    const bodies: unknown[] = [];
    const world = new World({
      'POST /v1/sites/north/approve': (_, body) => {
        bodies.push(body);
        return { body: site() };
      },
    });
    world.answer = digest.toUpperCase().replace(/(.{4})/g, '$1 ');
    await world.run('sites', 'approve', 'north');
    expect(bodies).toEqual([{ fingerprint: digest }]);
    expect(world.exitCode).toBe(0);
  });

  test('without a terminal the fingerprint must be given', async () => {
    const world = new World({});
    await world.run('sites', 'approve', 'north');
    expect(world.exitCode).toBe(2);
    expect(world.told).toMatch(/^error USAGE: approve north: expected --fingerprint/);
    expect(world.requests).toHaveLength(0);
  });

  test('a command is sent again under the same idempotency key until it gets through', async () => {
    let failures = 1;
    const world = new World({
      'POST /v1/sites/north/suspend': () => {
        if (failures-- > 0) throw new Error('connection lost');
        return { body: site({ status: 'suspended', reason: 'audit' }) };
      },
    });
    await world.run('sites', 'suspend', 'north', '--reason', 'audit');
    const keys = world.requests.map((request) => request.headers.get('idempotency-key'));
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(world.printed).toBe('north is suspended: audit\n');
  });
});

describe('failures of melo admin', () => {
  test.each([
    [401, 'UNAUTHENTICATED', 7],
    [404, 'NOT_FOUND', 8],
    [409, 'STATE_CONFLICT', 9],
    [400, 'REQUEST_INVALID', 2],
    [500, 'A_CODE_OF_A_LATER_RELEASE', 6],
  ])('status %i with code %s ends with exit code %i', async (status, code, exitCode) => {
    const world = new World({ 'GET /v1/sites/north': () => refusal(status, code, 'it says why') });
    await world.run('sites', 'show', 'north');
    expect(world.exitCode).toBe(exitCode);
    expect(world.told).toContain('it says why');
    expect(world.printed).toBe('');
  });

  test('an answer that breaks in the middle is none: it is asked for again', async () => {
    const half = () =>
      new ReadableStream({
        pull: (stream) => {
          stream.enqueue(new TextEncoder().encode('{"site":'));
          stream.error(new TypeError('terminated'));
        },
      });
    let broken = 1;
    const world = new World({
      'GET /v1/sites/north': () => ({ body: broken-- > 0 ? half() : site() }),
    });
    await world.run('sites', 'show', 'north');
    expect(world.exitCode).toBe(0);
    broken = Infinity;
    await world.run('sites', 'show', 'north');
    expect(world.exitCode).toBe(6);
    expect(world.told).toMatch(/^error COORDINATOR_UNREACHABLE: .* got none or half of one/);
  });

  test('an answer of another form is refused, not half shown', async () => {
    const world = new World({
      'GET /v1/sites/north': () => ({ body: { ...site(), status: 'odd' } }),
    });
    await world.run('sites', 'show', 'north');
    expect(world.told).toMatch(/^error MESSAGE_INVALID: GET \/v1\/sites\/north/);
    expect(world.exitCode).toBe(1);
  });

  test.each(['', '.', '..'])('%j is no name, and nothing is asked with it', async (name) => {
    const world = new World({});
    await world.run('sites', 'show', name);
    expect(world.told).toMatch(/^error USAGE: a name: expected/);
    expect(world.exitCode).toBe(2);
    expect(world.requests).toHaveLength(0);
  });

  test('the token is never sent over plain http to another host', async () => {
    const world = new World({});
    await world.run('sites', 'list', '--url', 'http://coordinator.example');
    expect(world.exitCode).toBe(2);
    expect(world.requests).toHaveLength(0);
  });

  test('no message carries the token', async () => {
    const world = new World({ 'GET /v1/sites': () => refusal(401, 'UNAUTHENTICATED', 'no') });
    world.files.set('token', 'two tokens\nin one file');
    await world.run('sites', 'list');
    expect(world.exitCode).toBe(3);
    expect(world.told).not.toContain('two tokens');
    world.files.set('token', token);
    await world.run('sites', 'list');
    expect(world.told + world.printed).not.toContain(token);
  });

  test('a token file that is not there names the option', async () => {
    const world = new World({});
    world.files.clear();
    await world.run('sites', 'list');
    expect(world.told).toContain('--token-file');
    expect(world.exitCode).toBe(3);
  });
});

describe('melo admin tasks', () => {
  const example = (): string => taskExample().replace(fingerprintPlaceholder, digest);

  test('the example is a definition once the fingerprint stands in it', () => {
    expect(taskDefinitionSchema.parse(parse(example())).members).toHaveLength(3);
    expect(taskDefinitionSchema.safeParse(parse(taskExample())).success).toBe(false);
    expect(taskExample()).not.toBe(taskExample()); // a public seed of its own
  });

  test('a definition that does not fit is refused before anything is sent, by key', async () => {
    const world = new World({});
    world.files.set('task.yaml', stringify({ ...parse(example()), rank: 0, colour: 'red' }));
    await world.run('tasks', 'create', 'task.yaml');
    expect(world.exitCode).toBe(3);
    expect(world.told).toContain('rank:');
    expect(world.told).toContain('colour');
    expect(world.requests).toHaveLength(0);
  });

  test('YAML that does not parse is told with its line', async () => {
    const world = new World({});
    world.files.set('task.yaml', 'version: 1\ntask: [');
    await world.run('tasks', 'create', 'task.yaml');
    expect(world.told).toMatch(/line 2/);
    world.files.set('task.yaml', 'version: 1\ntask: *chest');
    await world.run('tasks', 'create', 'task.yaml');
    expect(world.told).toContain('Unresolved alias');
    expect(world.exitCode).toBe(3);
  });

  test('a task is created with the defaults filled in and without starting where asked', async () => {
    const requests: string[] = [];
    const world = new World({
      'POST /v1/tasks': (request, body) => {
        requests.push(new URL(request.url).search);
        const definition = taskDefinitionSchema.parse(body);
        return {
          status: 201,
          body: {
            task: 'chest-xray',
            title: definition.title,
            status: 'created',
            reason: null,
            latestVersion: 0,
            promotedVersion: null,
            nextBaseVersion: 0,
            revision: 'ab'.repeat(8),
            rounds: 3,
            incompleteRounds: [],
            schedule: null,
            createdAtMs: nowMs,
            definition,
            openingRefusal: null,
            currentRound: null,
          },
        };
      },
    });
    world.files.set('task.yaml', example());
    await world.run('tasks', 'create', 'task.yaml', '--no-start');
    expect(world.told).toBe('next: melo admin tasks start chest-xray\n');
    expect(requests).toEqual(['?start=false']);
    expect(world.printed).toBe('chest-xray is created: version 0 of 3\n');
  });
});

describe('melo admin adapters download', () => {
  const file = utf8('not a real adapter, and the command need not know');
  const versionOf = (bytes: Uint8Array) => ({
    version: 2,
    adapterDigest: adapterDigest(bytes),
    adapterBytes: bytes.length,
    createdAtMs: nowMs,
    round: 2,
    attempt: 1,
    baseVersion: 1,
    isPromoted: false,
    isLatest: true,
    leftSites: [] as string[],
  });
  const worldWith = (served: Uint8Array) =>
    new World({
      'GET /v1/tasks/chest/versions': () => ({
        body: { versions: [versionOf(file)], nextCursor: null },
      }),
      'GET /v1/tasks/chest/versions/2/adapter': () => ({ body: served }),
    });

  test('the newest version is written after its digest was checked', async () => {
    const world = worldWith(file);
    await world.run('adapters', 'download', 'chest');
    expect(world.written.get('chest-v2.safetensors')).toEqual(file);
    expect(world.printed).toContain(adapterDigest(file));
  });

  test('bytes of another digest are not written', async () => {
    const changed = Uint8Array.from(file);
    changed[3] = (changed[3] ?? 0) ^ 1;
    const world = worldWith(changed);
    await world.run('adapters', 'download', 'chest', '--out', 'a.safetensors');
    expect(world.told).toContain('DIGEST_MISMATCH');
    expect(world.written.size).toBe(0);
  });

  test('more bytes than the registry names are not taken', async () => {
    const world = worldWith(new Uint8Array(file.length + 1));
    await world.run('adapters', 'download', 'chest');
    expect(world.told).toContain('PAYLOAD_TOO_LARGE');
    expect(world.written.size).toBe(0);
  });

  test('a file that is there is kept unless --force is given', async () => {
    const world = worldWith(file);
    world.files.set('chest-v2.safetensors', 'old');
    await world.run('adapters', 'download', 'chest');
    expect(world.exitCode).toBe(9);
    expect(world.written.size).toBe(0);
    await world.run('adapters', 'download', 'chest', '--force');
    expect(world.written.size).toBe(1);
  });

  test('the promoted version comes first, and what is written says what it is', async () => {
    const first = { ...versionOf(file), version: 1, isPromoted: true, isLatest: false };
    const versions = [{ ...first, leftSites: ['west'] }, versionOf(file)];
    const world = new World({
      'GET /v1/tasks/chest/versions': () => ({ body: { versions, nextCursor: null } }),
      'GET /v1/tasks/chest/versions/1/adapter': () => ({ body: file }),
      'GET /v1/tasks/chest/versions/2/adapter': () => ({ body: file }),
    });
    await world.run('adapters', 'download', 'chest');
    expect(world.printed).toContain('chest-v1.safetensors: version 1 (promoted)');
    expect(world.told).toContain('note: it has a share of west, which left');
    await world.run('adapters', 'download', 'chest', 'latest');
    expect(world.printed).toContain('chest-v2.safetensors: version 2 (latest)');
  });
});

describe('melo admin verify-round', () => {
  const digestView = { signedDigest: digest, recomputedDigest: null };
  const worldWith = (scope: string, isGood: boolean) =>
    new World({
      'GET /v1/tasks/chest/rounds/2/verification': () => ({
        body: {
          ...{ task: 'chest', round: 2, attempt: 1, scope, isGood, ...digestView },
          checks: [{ name: 'chain', isGood, detail: 'version 2: expected another file' }],
        },
      }),
    });

  test.each([
    ['recomputed', true, [], 0, 'byte for byte'],
    ['recomputed', false, [], 11, 'DIFFERS'],
    ['chain', true, [], 0, 'only the signed chain was checked'],
    ['chain', true, ['--recompute'], 9, ''],
  ] as const)('%s, holds: %s, %j: exit code %d', async (scope, isGood, options, code, said) => {
    for (const command of [['verify-round'], ['rounds', 'verify']]) {
      const world = worldWith(scope, isGood);
      await world.run(...command, 'chest', '2', ...options);
      expect(world.exitCode).toBe(code);
      expect(world.printed).toContain(said);
      expect(world.told.includes('ROUND_UNVERIFIABLE')).toBe(code === 9);
    }
  });
});

describe('melo admin tasks schedule', () => {
  test.each([
    [['--cron', 'at night'], 'cron expected five fields'],
    [['--time-zone', 'Europe/Berlin'], 'expected cron or sitesReady'],
    [['--none', '--sites-ready', '2'], '--none alone'],
    [['--sites-ready', 'all'], 'expected a whole number'],
  ])('%j is refused before anything is sent', async (options, said) => {
    const world = new World({});
    await world.run('tasks', 'schedule', 'chest', ...options);
    expect(world.exitCode).toBe(2);
    expect(world.told).toContain(said);
    expect(world.requests).toEqual([]);
  });
});

test('melo admin sites leave names the versions and what to do next', async () => {
  const world = new World({
    'POST /v1/sites/west/leave': (_request, body) => {
      expect(body).toEqual({ reason: 'the study ended', rerun: false });
      const left = { status: 'left', reason: 'the study ended', isConnected: false };
      const task = { task: 'chest', versions: [2, 3], lastWithout: 1 };
      return {
        body: {
          site: site({ site: 'west', ...left }),
          tasks: [{ ...task, isPromotedAffected: true, isRerunDue: true }],
        },
      };
    },
  });
  await world.run('sites', 'leave', 'west', '--reason', 'the study ended');
  expect(world.printed).toMatch(/chest\s+2, 3\s+1/);
  expect(world.told).toContain('melo admin tasks rerun chest --from 1');
  expect(world.told).toContain('melo admin adapters promote chest 1');
});
