/** `melo admin watch`: what is shown and told, over a socket, by looking, and without any connection. */
import { setImmediate as turn } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { taskDefinitionSchema } from '#core/protocol';
import { digest, nowMs, refusal, World, type Answer } from '../testing/admin-world.ts';
import { Harness, taskOf } from '../testing/harness.ts';
import { registerAdminCommands } from './admin.command.ts';
import { nodeEnvironment } from './admin-environment.ts';
import { printable } from './text.ts';
import { openFeed, type FeedListener, type WatchPorts } from './watch-ports.ts';

const member = (site: string, changes: object = {}) => ({
  ...{ site, status: 'training', reason: null, samples: 120, updateDigest: null, progress: 0.42 },
  ...{ bytesReceived: 0, bytesTotal: null, trainingLoss: null, ...changes },
});
const siteView = (site: string, changes: object = {}) => ({
  ...{ site, status: 'active', reason: null, fingerprint: digest, invitedAtMs: nowMs },
  ...{ enrolledAtMs: nowMs, approvedAtMs: nowMs, isConnected: true, lastSeenAtMs: nowMs - 5000 },
  ...{ agentVersion: '0.2.0', lostRounds: 0, capabilities: null },
  heartbeat: {
    atMs: nowMs - 5000,
    phase: 'training',
    task: 'chest',
    round: 2,
    progress: 0.42,
    load: 1,
  },
  ...changes,
});
const score = { count: 90, loss: 0.3, accuracy: 0.9, balancedAccuracy: 0.9, macroAuc: 0.95 };
const evaluation = {
  version: 1,
  pooled: {
    ...{ ...score, recall: [], auc: [], aucErrorBound: [], macroAucErrorBound: 0 },
    ...{ undefinedAucCount: 0, brier: [], brierErrorBound: [], calibrationError: null },
    ...{ calibrationErrorBound: null, sensitivity: [] },
  },
  ...{ pooledIntervals: null, decision: null, absent: [], sites: [], local: [] },
};

/** A coordinator of one task whose answers a spec changes, and the world around the command. */
class WatchWorld {
  members = [member('north'), member('south', { status: 'declined', reason: 'no images of it' })];
  sites = [
    siteView('north'),
    siteView('south', { isConnected: false, lastSeenAtMs: nowMs - 700_000 }),
  ];
  answer: () => Answer | undefined = () => undefined;
  readonly world: World;
  feed: FeedListener | undefined;
  isFeedClosed = false;
  drawn = '';
  readonly #interruption = new AbortController();
  #pauses: (() => void)[] = [];
  #elapsedMs = 0;

  constructor() {
    const answered = (body: () => unknown) => () => this.answer() ?? { body: body() };
    this.world = new World({
      'GET /v1/tasks': answered(() => ({ tasks: [this.#task()], nextCursor: null })),
      'GET /v1/tasks/chest': answered(() => this.#task()),
      'GET /v1/sites': answered(() => ({ sites: this.sites, nextCursor: null })),
      'GET /v1/tasks/chest/evaluations': answered(() => ({
        ...{ classes: [], evaluations: [evaluation], baselines: [], localAdapters: [] },
      })),
    });
  }

  #task() {
    return {
      ...{ task: 'chest', title: 'Chest \u001b[31mred', status: 'running', reason: null },
      ...{ latestVersion: 1, promotedVersion: null, nextBaseVersion: 1, rounds: 3 },
      ...{
        revision: 'ab'.repeat(8),
        incompleteRounds: [],
        schedule: null,
        createdAtMs: nowMs,
        openingRefusal: null,
      },
      definition: taskDefinitionSchema.parse(taskOf({ members: ['north', 'south'] })),
      currentRound: {
        ...{ task: 'chest', round: 2, attempt: 1, baseVersion: 1, phase: 'training', reason: null },
        ...{
          openedAtMs: nowMs,
          deadlineAtMs: nowMs + 7_200_000,
          settledAtMs: null,
          quorumSites: 1,
        },
        ...{
          summary: 'training, 0 of 2 sites reported',
          aggregationGap: null,
          members: this.members,
        },
      },
    };
  }

  /** Run the command until it ends. */
  async run(isTerminal: boolean, ...commandArguments: string[]): Promise<void> {
    const screen = {
      columns: () => 400,
      rows: () => 50,
      write: (text: string) => void (this.drawn += text),
    };
    const ports: WatchPorts = {
      openFeed: (_, listener) => {
        this.feed = listener;
        return () => void (this.isFeedClosed = true);
      },
      screen: isTerminal ? screen : null,
      untilInterrupted: () => this.#interruption.signal,
      pause: (_, signal) =>
        new Promise((done) => {
          if (signal.aborted) done();
          this.#pauses.push(done);
        }),
    };
    const environment = { ...this.world.environment(), nowMs: () => nowMs + this.#elapsedMs };
    const program = new Command().exitOverride();
    registerAdminCommands(program, environment, ports);
    const connection = ['--token-file', 'token'];
    await program.parseAsync([
      'node',
      'melo',
      'admin',
      'watch',
      ...commandArguments,
      ...connection,
    ]);
  }

  /** Let time pass, and whatever is to be done then be done. */
  async pass(durationMs: number): Promise<void> {
    this.#elapsedMs += durationMs;
    for (let turns = 0; turns < 60; turns++) {
      for (const done of this.#pauses.splice(0)) done();
      await turn();
    }
  }

  async interrupt(): Promise<void> {
    this.#interruption.abort();
    await this.pass(0);
  }

  get lines(): string[] {
    return this.world.printed.trimEnd().split('\n');
  }
  get requests(): string[] {
    return this.world.requests.map(({ url }) => new URL(url).pathname);
  }
}

describe('shown once', () => {
  test('tasks with round, members, who is out and why, heartbeats and figures; nothing steers the terminal', async () => {
    const watched = new WatchWorld();
    await watched.run(true, '--once');
    const text = watched.world.printed;
    expect(text).toContain('chest  running, version 1 of 3  Chest \ufffd[31mred');
    expect(text).toContain('round 2: training, 0 of 2 sites reported, deadline in 2 h');
    expect(text).toMatch(/north +training +training +42 % +120 +5 s ago\n/);
    expect(text).toMatch(/south +declined, OUT .*11 min ago, not connected +no images of it/);
    expect(text).toContain('version 1: macro AUC 0.9500, accuracy 0.9000, loss 0.3000, 90 images');
    expect(watched.drawn).toBe('');
    expect(watched.world.exitCode).toBe(0);
  });

  test('as one JSON object', async () => {
    const watched = new WatchWorld();
    await watched.run(false, 'chest', '--once', '--json');
    expect(JSON.parse(watched.world.printed)).toMatchObject({
      tasks: [
        {
          task: 'chest',
          members: [
            { site: 'north', isExcluded: false, heartbeat: 'fresh' },
            { site: 'south', isExcluded: true, heartbeat: 'silent', reason: 'no images of it' },
          ],
        },
      ],
    });
  });

  test.each([
    ['no such task', (): Answer => refusal(404, 'NOT_FOUND', 'no'), [], 8],
    [
      'nobody there',
      (): Answer => {
        throw new Error('refused');
      },
      [],
      6,
    ],
    ['an interval of none', (): undefined => undefined, ['--interval', '0'], 2],
  ] as const)('ends with an exit code: %s', async (_name, answer, options, exitCode) => {
    const watched = new WatchWorld();
    watched.answer = answer;
    await watched.run(true, 'chest', ...options);
    expect(watched.world.exitCode).toBe(exitCode);
    expect(watched.drawn + watched.world.printed).toBe('');
  });
});

describe('told line by line', () => {
  test('everything at first, then what changed alone, and the connection', async () => {
    const watched = new WatchWorld();
    const ended = watched.run(false, '--json');
    await watched.pass(0);
    const eventSchema = z.looseObject({ event: z.string() });
    const events = () => watched.lines.map((line) => eventSchema.parse(JSON.parse(line)));
    expect(events().map(({ event }) => event)).toEqual([
      ...['connection', 'task', 'round', 'member', 'member', 'figures'],
    ]);
    watched.feed?.onState(true, null);
    await watched.pass(1000);
    expect(events().at(-1)).toMatchObject({ event: 'connection', state: 'live' });
    const before = watched.lines.length;

    watched.members = [member('north', { progress: 0.44 }), ...watched.members.slice(1)];
    watched.feed?.onChanged(['rounds']);
    await watched.pass(1000);
    expect(watched.lines).toHaveLength(before); // a few hundredths are no news
    watched.members = [member('north', { status: 'reported' }), ...watched.members.slice(1)];
    watched.feed?.onChanged(['rounds']);
    await watched.pass(1000);
    expect(events().slice(before)).toMatchObject([
      { event: 'member', task: 'chest', round: 2, site: 'north', status: 'reported' },
    ]);
    await watched.interrupt();
    await ended;
    expect([watched.world.exitCode, watched.isFeedClosed]).toEqual([0, true]);
  });

  test('for people with the time before it', async () => {
    const watched = new WatchWorld();
    const ended = watched.run(false);
    await watched.pass(0);
    expect(watched.lines).toEqual([
      '2026-03-01T12:00:00.000Z looked at every 5 s',
      expect.stringMatching(/Z chest running, version 1 of 3$/),
      expect.stringMatching(/Z chest round 2: training, 0 of 2 sites reported$/),
      expect.stringMatching(/Z chest round 2 north: training; training 42 %; heard 5 s ago$/),
      expect.stringMatching(/south: declined, OUT; training .*not connected; no images of it$/),
      expect.stringMatching(/Z chest version 1: macro AUC 0.9500/),
    ]);
    await watched.interrupt();
    await ended;
  });

  test('figures that nobody spoke of are not read again while changes are told', async () => {
    const watched = new WatchWorld();
    const ended = watched.run(false);
    await watched.pass(0);
    watched.feed?.onState(true, null);
    await watched.pass(1000);
    const count = (): number =>
      watched.requests.filter((path) => path.endsWith('/evaluations')).length;
    const before = count();
    watched.feed?.onChanged(['rounds']);
    await watched.pass(1000);
    expect(count()).toBe(before);
    watched.feed?.onChanged(['evaluations']);
    await watched.pass(1000);
    expect(count()).toBe(before + 1);
    await watched.interrupt();
    await ended;
  });
});

describe('drawn in place', () => {
  test('without a connection the last state stays, marked stale, until it is there again', async () => {
    const watched = new WatchWorld();
    const ended = watched.run(true, '--interval', '7');
    await watched.pass(0);
    expect(watched.drawn).toMatch(/^\u001b\[\?1049h\u001b\[\?25l\u001b\[H/);
    expect(watched.drawn).toContain('looked at every 7 s');
    watched.feed?.onState(true, null);
    await watched.pass(1000);
    const frame = (): string => watched.drawn.split('\u001b[H').at(-1) ?? '';
    expect(frame()).toMatch(/^http:\/\/127\.0\.0\.1:8440 {2}live/);

    watched.answer = () => refusal(503, 'STORE_UNAVAILABLE', 'the database is away');
    watched.feed?.onState(false, null);
    await watched.pass(30_000);
    expect(frame()).toContain('STALE since 2026-03-01T12:00:01Z (30 s ago): the database is away');
    expect(frame()).toContain('north');
    watched.answer = () => undefined;
    await watched.pass(7000);
    await watched.pass(0);
    expect(frame()).toContain('looked at every 7 s');
    watched.feed?.onState(true, null);
    await watched.pass(1000);
    expect(frame()).toContain('  live');
    await watched.interrupt();
    await ended;
    expect(watched.drawn).toMatch(/\u001b\[\?25h\u001b\[\?1049l$/);
    expect(watched.world.printed).toContain('north'); // the last frame stays behind
  });

  test('what trying again does not mend ends it, with the terminal as it was', async () => {
    const watched = new WatchWorld();
    const ended = watched.run(true);
    await watched.pass(0);
    watched.answer = () => refusal(401, 'UNAUTHENTICATED', 'the token has ended');
    await watched.pass(6000);
    await watched.pass(0);
    await ended;
    expect(watched.world.exitCode).toBe(7);
    expect(watched.drawn).toMatch(/\u001b\[\?1049l$/);
    expect(watched.isFeedClosed).toBe(true);
  });
});

describe('over the socket of a coordinator', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.stop());

  test('it is told of a change, and again after the coordinator was started anew', async () => {
    const port = Number(new URL(harness.coordinator.url).port);
    const interruption = new AbortController();
    const lines: string[] = [];
    const ports: WatchPorts = {
      openFeed,
      screen: null,
      untilInterrupted: () => interruption.signal,
      pause: async () => {
        await new Promise((done) => setTimeout(done, 50));
      },
    };
    const program = new Command().exitOverride();
    registerAdminCommands(
      program,
      { ...nodeEnvironment(), variables: {}, print: (line) => void lines.push(line) },
      ports,
    );
    const { url, tokenFile } = harness.coordinator;
    const connection = ['--url', url, '--token-file', tokenFile, '--json', '--interval', '1'];
    const ended = program.parseAsync(['node', 'melo', 'admin', 'watch', ...connection]);
    const seen = (part: string) =>
      harness.until(
        async () => lines.filter((line) => line.includes(part)).length,
        (count) => count > 0,
      );
    try {
      await seen('"state":"live"');
      await harness.request('POST', '/v1/sites', { site: 'north' });
      await harness.request('POST', '/v1/tasks?start=false', {
        ...taskOf({ members: ['north'], rules: { quorumSites: 1 } }),
      });
      await seen('"event":"member"');
      await harness.coordinator.close();
      await seen('"state":"stale"');
      lines.length = 0;
      harness.coordinator = await Harness.launch(harness.folder, { ...harness.options, port });
      await seen('"state":"live"');
    } finally {
      interruption.abort();
      await ended;
    }
  }, 120_000);
});

test('what would steer a terminal is replaced, lines and tabs are kept', () => {
  expect(printable('a\u001b[2J\u0007\u009bb\r\n\tc ü')).toBe(
    'a\ufffd[2J\ufffd\ufffdb\ufffd\n\tc ü',
  );
});
