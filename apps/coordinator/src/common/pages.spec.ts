/** Lists page by page: all of them in one form, nothing skipped or doubled, nothing cut without a word. */
import { eq } from 'drizzle-orm';
import { z } from 'zod';
import { plannedRound, siteIdSchema } from '#core/protocol';
import type { Queries } from '../config/database.ts';
import {
  apiTokens,
  evaluationRequests,
  rounds,
  versions,
  webhookDeliveries,
} from '../config/schema.ts';
import { inlineSchema } from '../openapi/components.ts';
import { Harness } from '../testing/harness.ts';
import { People } from '../testing/people.ts';
import { webhookRoutes } from '../webhooks/webhooks.contract.ts';
import { allRoutes } from './contracts.ts';

const reads = allRoutes.filter(
  ({ method, mediaType }) => method === 'GET' && mediaType === undefined,
);
const shapeOf = ({ response }: { readonly response: z.ZodType }) =>
  response instanceof z.ZodObject ? response.shape : {};
const lists = reads.filter((route) => 'nextCursor' in shapeOf(route));

/** What answers a list whole, and why that has an end. */
const whole: Readonly<Record<string, string>> = {
  '/v1/drain': 'open rounds and late uploads that a drain awaits',
  '/v1/sessions': 'sessions at once, of which there are 1000 at most',
  '/v1/sign-in-providers': 'what the configuration names',
  '/v1/tasks/:task/evaluations': 'figures of the versions of one task, not a list of rows',
  '/v1/tasks/:task/evaluations/brief': 'the same in brief',
  '/v1/tasks/:task/rounds/:round/verification': 'the checks of one round',
};

/** Lists that are ordered by a name. */
const names = ['/v1/sites', '/v1/tasks', '/v1/users'];
const noCursors = ['', '~', 'a~b~c', '1~2~3', 'é', 'a b', 'x'.repeat(201)];
const noNumbers = ['-1', '1.5', '9'.repeat(17), '-1~a', '9'.repeat(17) + '~1', 'a~1'];

/** In rounds, so many attempts: more than a page has where nobody says how many. */
const attempts = 60;
const abandoned = {
  ...plannedRound({ members: [siteIdSchema.parse('north')], quorumSites: 1, quorumSampleShare: 0 }),
  ...{ phase: 'abandoned', reason: 'by hand' },
};

let harness: Harness;
let steward: string;
let webhook = '';
const pathOf = (path: string): string => path.replace(':task', 'many').replace(':webhook', webhook);
const bytes = new Uint8Array([1]);

/** Rows that would take long to come about: all of one moment, so that a second column orders them. */
async function addRows(queries: Queries): Promise<void> {
  await queries.insert(rounds).values(
    Array.from({ length: attempts }, (_, at) => ({
      ...{ task: 'many', round: 2 + Math.floor(at / 3), attempt: 1 + (at % 3), baseVersion: 0 },
      ...{ state: abandoned, phase: 'abandoned', openPayload: bytes, openSignature: bytes },
      ...{ openDigest: 'ab'.repeat(32), roundPublicKey: 'cd'.repeat(32) },
      ...{ openedAtMs: at, deadlineAtMs: at + 1, settledAtMs: at + 1 },
    })),
  );
  const [first] = await queries.select().from(versions).where(eq(versions.task, 'many'));
  if (first === undefined) throw new Error('expected version 0');
  for (const version of [1, 2, 3, 4]) await queries.insert(versions).values({ ...first, version });
  await queries.insert(evaluationRequests).values(
    ['1', '2', '3', '4', '5'].map((digit) => ({
      ...{ request: digit.repeat(16), task: 'many', payload: bytes, signature: bytes },
      ...{ subject: digit === '5' ? 'cross' : 'global', owner: digit === '5' ? 'amber' : null },
      ...{ requestedAtMs: 5, deadlineAtMs: 6, closedAtMs: 6 },
    })),
  );
  await queries.update(apiTokens).set({ createdAtMs: 7 });
  const atMs = Date.now();
  const told = { version: 1, kind: 'test', state: 'raised', federation: 'f', subject: 's', atMs };
  const alert = `alert_${'0'.repeat(32)}`;
  const body = { ...told, id: `msg_${'0'.repeat(32)}`, alert, summary: 'a test', details: {} };
  await queries.insert(webhookDeliveries).values(
    [1, 2, 3].map((tries) => ({
      ...{ webhook, alert, body: JSON.stringify(body), attempts: tries },
      ...{ createdAtMs: atMs, deliveredAtMs: atMs, lastOutcome: '204' },
    })),
  );
}

beforeAll(async () => {
  harness = await Harness.start();
  await harness.join('north');
  for (const site of ['amber', 'beta', 'zeta'])
    await harness.request('POST', '/v1/sites', { site });
  for (const task of ['a-task', 'many', 'z-task']) {
    const members = task === 'many' ? ['amber', 'north'] : ['amber', 'beta'];
    await harness.createTask({ task, members, rules: { quorumSites: 2 } });
    await harness.request('POST', `/v1/tasks/${task}/pause`, {});
  }
  for (const user of ['anna', 'bert'])
    await harness.request('POST', '/v1/users', { user, role: 'viewer' });
  for (const name of ['one', 'two', 'three'])
    await harness.request('POST', '/v1/tokens', { name, scopes: ['read'] });
  for (const name of ['a', 'b', 'c']) {
    const url = `https://alerts.example/${name}`;
    const made = await harness.request('POST', '/v1/webhooks', { url, kinds: ['key-old'] });
    webhook = webhookRoutes.create.response.parse(made).webhook.webhook;
  }
  await harness.tamper(addRows);
  steward = await new People(harness).join('the-steward', 'steward', { site: 'north' });
  const chained = z.array(z.looseObject({ sequence: z.number() }));
  await harness.until(
    () => ask('/v1/audit', { limit: '1000' }),
    (answer) => chained.safeParse(itemsOf(answer)).success,
  );
}, 120_000);
afterAll(() => harness.stop());

const anyItems = z.array(z.unknown());
const page = z.looseObject({ nextCursor: z.string().nullable() });
const problem = z.object({ code: z.string(), detail: z.string() });
/** The items of a page, whatever they are called. */
const itemsOf = (answer: z.infer<typeof page>): unknown[] =>
  Object.values(answer).flatMap((value) => anyItems.safeParse(value).data ?? []);
const ask = async (path: string, query: Record<string, string>) =>
  page.parse(await harness.request('GET', `${path}?${new URLSearchParams(query).toString()}`));

/** Every item of a list, by pages of so many; `between` happens after the first of them. */
async function walk(
  path: string,
  limit: number,
  query: Record<string, string> = {},
  between?: () => Promise<unknown>,
): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let cursor: string | null = '', pages = 0; cursor !== null && pages < 1000; pages++) {
    const asked = { ...query, limit: String(limit), ...(cursor === '' ? {} : { cursor }) };
    const answer: z.infer<typeof page> = await ask(path, asked);
    expect(itemsOf(answer).length).toBeLessThanOrEqual(limit);
    found.push(...itemsOf(answer));
    cursor = answer.nextCursor;
    if (pages === 0) await between?.();
  }
  return found;
}

test('every route that answers a list has pages, or is named here', () => {
  const answersList = reads.filter((route) =>
    Object.values(shapeOf(route)).some((schema) => schema instanceof z.ZodArray),
  );
  // What shows one thing, such as a round with its members, is named by its last parameter.
  const unpaged = answersList.filter(
    (route) => !lists.includes(route) && !/:\w+$/.test(route.path),
  );
  expect(unpaged.map(({ path }) => path).sort()).toEqual(Object.keys(whole).sort());
  expect(lists.length).toBe(10);
});

describe.each(lists.map((route) => [route.path, route] as const))('%s', (_, route) => {
  const parameters = z.object({
    properties: z.object({ limit: z.object({ maximum: z.number(), description: z.string() }) }),
  });
  const { maximum, description } = parameters.parse(inlineSchema(route.query)).properties.limit;
  const byDefault = Number(/; (\d+) where left out/.exec(description)?.[1]);
  const statusOf = async (query: string) => {
    const response = await harness.raw('GET', `${pathOf(route.path)}?${query}`);
    return [response.status, response.ok ? '' : problem.parse(await response.json()).code];
  };

  test('has the same items in the same order, however many a page has', async () => {
    const path = pathOf(route.path);
    const all = await walk(path, maximum);
    expect(all.length).toBeGreaterThanOrEqual(3);
    expect(new Set(all.map((item) => JSON.stringify(item))).size).toBe(all.length);
    for (const size of [1, 2, all.length])
      expect([size, await walk(path, size)]).toEqual([size, all]);
  });

  test('tells that there are more where nobody said how many', async () => {
    const path = pathOf(route.path);
    const all = await walk(path, maximum);
    const answer = await ask(path, {});
    expect(itemsOf(answer)).toEqual(all.slice(0, byDefault));
    expect(answer.nextCursor !== null).toBe(all.length > byDefault);
  });

  test('refuses a cursor that it did not make', async () => {
    for (const cursor of [...noCursors, ...(names.includes(route.path) ? [] : noNumbers)])
      expect([cursor, await statusOf(new URLSearchParams({ cursor }).toString())]).toEqual([
        cursor,
        [400, 'REQUEST_INVALID'],
      ]);
  });

  test('takes a number that is beyond every row', async () => {
    const beyond = '9'.repeat(16);
    const cursors = names.includes(route.path) ? ['}'] : [beyond, `${beyond}~a`, `${beyond}~1`];
    const statuses = await Promise.all(
      cursors.map((cursor) => statusOf(new URLSearchParams({ cursor }).toString())),
    );
    expect(statuses).toContainEqual([200, '']);
  });

  test.each(['0', '-1', '1.5', 'all', ''])('refuses %j items a page', async (wanted) => {
    expect(await statusOf(`limit=${wanted}`)).toEqual([400, 'REQUEST_INVALID']);
  });

  test('has pages up to its limit', async () => {
    expect(await statusOf(`limit=${maximum}`)).toEqual([200, '']);
    expect(await statusOf(`limit=${maximum + 1}`)).toEqual([400, 'REQUEST_INVALID']);
  });
});

test('a refused cursor says what was expected and what to do', async () => {
  const response = await harness.raw('GET', '/v1/tasks/many/rounds?cursor=a~1');
  expect(problem.parse(await response.json()).detail).toMatch(
    /^query field cursor: expected what a page of this list answered as nextCursor; leave it out/,
  );
});

describe('while something new comes', () => {
  const named = (name: string) => z.looseObject({ [name]: z.unknown() });

  test('a list by name has what comes behind the page, and nothing twice', async () => {
    const before = await walk('/v1/sites', 200);
    const found = await walk('/v1/sites', 2, {}, async () => {
      for (const site of ['aaa-first', 'zzz-last'])
        await harness.request('POST', '/v1/sites', { site });
    });
    const names = found.map((item) => named('site').parse(item)['site']);
    expect(names).toEqual([...before.map((item) => named('site').parse(item)['site']), 'zzz-last']);
  });

  test('a list of the newest goes on below them', async () => {
    const idOf = (item: unknown) => named('id').parse(item)['id'];
    const query = { order: 'newest', target: 'site:*' };
    const before = await walk('/v1/audit', 1000, query);
    const found = await walk('/v1/audit', 2, query, () =>
      harness.request('POST', '/v1/sites', { site: 'newcomer' }),
    );
    expect(found.map(idOf)).toEqual(before.map(idOf));
    expect((await walk('/v1/audit', 1000, query)).length).toBe(before.length + 1);
  });

  test('what goes takes nothing else with it', async () => {
    const before = await walk('/v1/tokens', 1000);
    const tokenOf = (item: unknown) => String(named('token').parse(item)['token']);
    const found = await walk('/v1/tokens', 1, {}, () =>
      harness.request('DELETE', `/v1/tokens/${tokenOf(before[0])}`),
    );
    expect(found.map(tokenOf)).toEqual(before.map(tokenOf));
  });
});

test('attempts of one round, newest first, and versions from either end', async () => {
  const attempt = z.looseObject({ round: z.number(), attempt: z.number() });
  const found = await walk('/v1/tasks/many/rounds', 2, { round: '7' });
  expect(
    found.map((item) => attempt.parse(item)).map((each) => [each.round, each.attempt]),
  ).toEqual([
    [7, 3],
    [7, 2],
    [7, 1],
  ]);
  const oldest = await walk('/v1/tasks/many/versions', 2);
  const newest = await walk('/v1/tasks/many/versions', 2, { order: 'newest' });
  expect(newest).toEqual(oldest.toReversed());
});

test("a steward's pages are full of its own, and lead to nothing else", async () => {
  const read = async (path: string) => {
    const response = await new People(harness).browse('GET', path, steward);
    return page.parse(await response.json());
  };
  const sites = await read('/v1/sites?limit=1');
  expect([itemsOf(sites).length, sites.nextCursor]).toEqual([1, null]);
  const tasks = await read('/v1/tasks?limit=1');
  expect([itemsOf(tasks).length, tasks.nextCursor]).toEqual([1, null]);
  // Newest first the request about the adapter of amber would be on the first page.
  const requests = await read('/v1/tasks/many/evaluation-requests?limit=2');
  expect([itemsOf(requests).length, requests.nextCursor]).toEqual([2, `5~${'3'.repeat(16)}`]);
  expect(JSON.stringify([sites, tasks, requests])).not.toContain('amber');
});
