/** Tasks and sites as documents: written, read again, applied to another coordinator, refused where they would change something. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import { taskDefinitionSchema } from '#core/protocol';
import { nowMs, World } from '../testing/admin-world.ts';
import { Harness, taskOf } from '../testing/harness.ts';
import { runAdminCommand } from '../testing/run-admin.ts';
import { differencesOf, formatDeclared, parseDeclared } from './declared.ts';
import { taskExample, fingerprintPlaceholder } from './task-example.ts';

const definition = taskDefinitionSchema.parse(taskOf({ task: 'lungs' }));
/** Nine lists, each of ten of the one before it. */
const growing = Array.from(
  { length: 9 },
  (_, at) =>
    `l${at + 1}: &l${at + 1} [${Array(10)
      .fill(at === 0 ? 'x' : `*l${at}`)
      .join(', ')}]`,
).join('\n');
const siteText = (name: string): string => `version: 1\nsite: ${name}\n`;

describe('documents', () => {
  test('are read as they were written, with sites first', () => {
    const declared = parseDeclared('x', `${stringify(definition)}---\n${siteText('north')}`);
    expect(declared).toEqual({ sites: ['north'], tasks: [definition] });
    expect(parseDeclared('x', formatDeclared(declared))).toEqual(declared);
    expect(formatDeclared(declared)).toMatch(/---\nversion: 1\nsite: north\n---\nversion: 1\ntask/);
  });

  test('that say nothing are passed over: comments, and hyphens at the end', () => {
    const example = taskExample().replace(fingerprintPlaceholder, 'ab'.repeat(32));
    const { tasks } = parseDeclared('x', `# of ours\n---\n${example}\n---\n`);
    expect(tasks.map(({ task }) => task)).toEqual(['chest-xray']);
  });

  test('may say once what they mean twice', () => {
    const text = stringify(definition)
      .replace('task: lungs', 'task: &name lungs')
      .replace(/title: .*/, 'title: *name');
    expect(parseDeclared('x', text).tasks).toEqual([{ ...definition, title: 'lungs' }]);
  });

  test.each([
    ['nothing at all', '', 'got: nothing'],
    ['comments alone', '# later\n', 'got: nothing'],
    ['a list', '- lungs\n', 'document 1: a task: '],
    ['a site with a field too many', `${siteText('north')}url: x\n`, 'document 1: a site: '],
    ['a site of another version', 'version: 2\nsite: north\n', 'document 1: version: '],
    [
      'the same site twice',
      `${siteText('north')}---\n${siteText('north')}`,
      'site north is declared',
    ],
    [
      'the same task twice',
      `${stringify(definition)}---\n${stringify(definition)}`,
      'task lungs is declared more than once',
    ],
    ['YAML that is none', `${siteText('north')}---\na: [\n`, 'document 2: '],
    ['an alias of nothing', 'version: 1\nsite: *north\n', 'got: document 1: Unresolved alias'],
    ['aliases that grow without bound', `${growing}\n`, 'got: document 1: Excessive alias'],
  ])('are refused: %s', (_name, text, expected) => {
    expect(() => parseDeclared('file.yaml', text)).toThrow(expected);
  });

  test('every problem of a file is told at once, by document and field', () => {
    const wrong = stringify({ ...definition, rank: 0, colour: 'red' });
    const text = `${wrong}---\n${siteText('No Name')}`;
    expect(() => parseDeclared('f', text)).toThrow(
      /document 1: rank: [^]*colour[^]*document 2: site: /,
    );
  });

  test('differ by field, also where one side has none', () => {
    const other = {
      ...definition,
      rank: 8,
      plan: { ...definition.plan, seed: 5 },
      localBaseline: true,
    };
    expect(differencesOf(definition, other)).toEqual([
      { field: 'rank', present: definition.rank, declared: 8 },
      { field: 'plan.seed', present: definition.plan.seed, declared: 5 },
      { field: 'localBaseline', present: undefined, declared: true },
    ]);
    expect(
      differencesOf(definition, taskDefinitionSchema.parse(taskOf({ task: 'lungs' }))),
    ).toEqual([]);
  });
});

const outcomesSchema = z.strictObject({
  dryRun: z.boolean(),
  done: z.boolean(),
  outcomes: z.array(z.looseObject({ kind: z.string(), name: z.string(), action: z.string() })),
});

describe('applied', () => {
  let folder: string;
  let file: string;
  let first: Harness;
  let second: Harness;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'melo-apply-'));
    file = join(folder, 'federation.yaml');
    first = await Harness.start();
    second = await Harness.start();
    for (const site of ['north', 'south', 'west']) {
      await first.request('POST', '/v1/sites', { site });
    }
    await first.request('POST', '/v1/tasks?start=false', definition);
    await first.request('POST', '/v1/sites', { site: 'gone' });
    await first.request('POST', '/v1/sites/gone/revoke', { reason: 'a mistake' });
    expect(await runAdminCommand(first, 'export', '--out', file)).toMatchObject({ exitCode: 0 });
  });
  afterAll(async () => {
    await first.stop();
    await second.stop();
    await rm(folder, { recursive: true });
  });

  const apply = async (at: Harness, ...options: string[]) => {
    const run = await runAdminCommand(at, 'apply', '--file', file, '--json', ...options);
    return { ...outcomesSchema.parse(JSON.parse(run.printed)), ...run };
  };

  test('where it came from it changes nothing', async () => {
    const { exitCode, outcomes, done } = await apply(first);
    expect([exitCode, done]).toEqual([0, true]);
    expect(outcomes.map(({ name, action, status }) => [name, action, status])).toEqual([
      ['north', 'unchanged', 'invited'],
      ['south', 'unchanged', 'invited'],
      ['west', 'unchanged', 'invited'],
      ['lungs', 'unchanged', 'created'],
    ]);
  });

  test('to another coordinator: a dry run does nothing, then all is made, then nothing is left to do', async () => {
    expect((await apply(second, '--dry-run')).outcomes.map(({ action }) => action)).toEqual([
      ...['invite', 'invite', 'invite', 'create'],
    ]);
    expect(await second.request('GET', '/v1/tasks')).toEqual({ tasks: [], nextCursor: null });
    const { outcomes } = await apply(second, '--no-start');
    expect(outcomes.map(({ code }) => typeof code)).toEqual([
      ...['string', 'string', 'string', 'undefined'],
    ]);
    expect((await second.task('lungs')).status).toBe('created');
    expect((await apply(second)).outcomes.every(({ action }) => action === 'unchanged')).toBe(true);
    const again = await runAdminCommand(second, 'export');
    expect(again.printed).toBe(await readFile(file, 'utf8'));
  });

  test('a definition that would have to change is refused by name and field, and nothing of the file is done', async () => {
    const [...documents] = parseAllDocuments(await readFile(file, 'utf8'));
    const texts = documents.map((document) => document.toString().replace('rank: 2', 'rank: 3'));
    file = join(folder, 'changed.yaml');
    await writeFile(file, [...texts, siteText('east')].join('---\n'));
    const run = await apply(second);
    expect([run.exitCode, run.done]).toEqual([9, false]);
    expect(run.outcomes.find(({ name }) => name === 'lungs')).toMatchObject({
      action: 'refuse',
      problems: ['rank: the task has 2, the file 3'],
    });
    expect(run.told).toContain('task lungs cannot be made so');
    expect(JSON.stringify(await second.request('GET', '/v1/sites'))).not.toContain('east');
  });

  test('an export of a task has that task and its members; one that is not there is told', async () => {
    const run = await runAdminCommand(first, 'export', 'lungs', '--json');
    expect(JSON.parse(run.printed)).toEqual({
      sites: [...definition.members],
      tasks: [definition],
    });
    expect((await runAdminCommand(first, 'export', 'hearts')).exitCode).toBe(8);
    const kept = join(folder, 'federation.yaml');
    expect((await runAdminCommand(first, 'export', '--out', kept)).exitCode).toBe(9);
  });
});

const site = (name: string, status: string) => ({
  ...{
    site: name,
    status,
    reason: null,
    fingerprint: null,
    invitedAtMs: nowMs,
    enrolledAtMs: null,
  },
  ...{ approvedAtMs: null, isConnected: false, lastSeenAtMs: null, agentVersion: null },
  ...{ lostRounds: 0, capabilities: null, heartbeat: null },
});

describe('refused before anything is sent', () => {
  const worldWith = (text: string): World => {
    const world = new World({
      'GET /v1/sites': () => ({
        body: {
          sites: [site('north', 'active'), site('south', 'left'), site('west', 'revoked')],
          nextCursor: null,
        },
      }),
      'GET /v1/tasks': () => ({ body: { tasks: [], nextCursor: null } }),
    });
    world.files.set('file.yaml', text);
    return world;
  };

  test('members that cannot take part, and sites that left or were revoked', async () => {
    const world = worldWith(
      [siteText('west'), siteText('south'), stringify(definition)].join('---\n'),
    );
    await world.run('apply', '--file', 'file.yaml');
    expect(world.exitCode).toBe(9);
    expect(world.printed).toContain('site west: refused\n  it was revoked');
    expect(world.printed).toContain('site south: refused\n  it left');
    expect(world.printed).toMatch(/members: .*south, west cannot/);
    expect(world.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  test('a file that is not there or does not fit, without a request', async () => {
    const world = worldWith('- x');
    await world.run('apply', '--file', 'file.yaml');
    expect(world.exitCode).toBe(3);
    await world.run('apply', '--file', 'none.yaml');
    expect(world.exitCode).toBe(2);
    expect(world.requests).toHaveLength(0);
  });

  test('the steward of a site exports nothing, since it sees a part of each definition', async () => {
    const world = new World({
      'GET /v1/sessions/current': () => ({
        body: {
          user: 'sonja',
          role: 'steward',
          site: 'north',
          setup: null,
          expiresAtMs: null,
          idleMs: null,
        },
      }),
    });
    await world.run('export');
    expect(world.exitCode).toBe(9);
    expect(world.printed).toBe('');
  });
});

test('where it stops half way, the codes that were made are told all the same', async () => {
  const world = new World({
    'GET /v1/sites': () => ({ body: { sites: [], nextCursor: null } }),
    'GET /v1/tasks': () => ({ body: { tasks: [], nextCursor: null } }),
    'POST /v1/sites': (_, body) => {
      if (JSON.stringify(body).includes('south')) return { status: 500, body: {} };
      return { status: 201, body: { site: 'north', code: 'a-code', expiresAtMs: nowMs + 1000 } };
    },
  });
  world.files.set('file.yaml', `${siteText('north')}---\n${siteText('south')}`);
  await world.run('apply', '--file', 'file.yaml', '--json');
  expect(world.exitCode).toBe(6);
  expect(outcomesSchema.parse(JSON.parse(world.printed))).toMatchObject({
    done: false,
    outcomes: [{ name: 'north', code: 'a-code' }],
  });
});
