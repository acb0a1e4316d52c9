/** Who may do what: one row for each route and each event, with each role as it is over HTTP. */
import 'reflect-metadata';
import { io } from 'socket.io-client';
import { z } from 'zod';
import { adapterLayout, specificationOf } from '#core/adapter';
import { AppModule } from '../app.module.ts';
import { tinyBackbone } from '../testing/fake-site.ts';
import { Harness } from '../testing/harness.ts';
import { People } from '../testing/people.ts';
import { tokenRoutes } from '../users/tokens.contract.ts';
import { problemSchema } from './contract.ts';
import { allRoutes, roleSchema, type Role, type RouteContract } from './contracts.ts';
import type { Environment } from './environment.ts';
import { contractKey } from './route.ts';

/** `own`: what is of the steward's own site, or of the caller alone; `token`: the scope that an API token needs. */
const table = `
route                                                administrator scientist viewer steward token
GET /v1/health                                       public        public    public public  public
GET /v1/openapi.json                                 public        public    public public  public
GET /v1/errors/:code                                 public        public    public public  public
POST /v1/handshake/nonce                             public        public    public public  public
POST /v1/enrollments                                 public        public    public public  public
POST /v1/sessions                                    public        public    public public  public
GET /v1/sign-in-providers                            public        public    public public  public
GET /v1/sign-in-providers/:provider/begin            public        public    public public  public
GET /v1/sign-in-providers/:provider/finish           public        public    public public  public
GET /v1/sessions                                     yes           yes       yes    own     read
DELETE /v1/sessions                                  yes           yes       yes    own     everything
GET /v1/sessions/current                             yes           yes       yes    own     read
DELETE /v1/sessions/current                          yes           yes       yes    own     read
POST /v1/sign-in-links                               yes           no        no     no      everything
POST /v1/account/password                            yes           yes       yes    own     everything
GET /v1/users                                        yes           no        no     no      people
POST /v1/users                                       yes           no        no     no      people
GET /v1/users/:user                                  yes           no        no     no      people
POST /v1/users/:user/role                            yes           no        no     no      people
POST /v1/users/:user/suspend                         yes           no        no     no      people
POST /v1/users/:user/resume                          yes           no        no     no      people
POST /v1/users/:user/password                        yes           no        no     no      people
DELETE /v1/users/:user                               yes           no        no     no      people
GET /v1/account                                      yes           yes       yes    own     read
POST /v1/account/second-factor                       yes           yes       yes    own     everything
POST /v1/account/second-factor/confirm               yes           yes       yes    own     everything
POST /v1/account/second-factor/remove                yes           yes       yes    own     everything
POST /v1/account/recovery-codes                      yes           yes       yes    own     everything
POST /v1/users/:user/second-factor/remove            yes           no        no     no      people
GET /v1/tokens                                       yes           yes       yes    own     people
POST /v1/tokens                                      yes           yes       yes    own     people
DELETE /v1/tokens/:token                             yes           yes       yes    own     people
GET /v1/webhooks                                     yes           no        no     no      everything
POST /v1/webhooks                                    yes           no        no     no      everything
DELETE /v1/webhooks/:webhook                         yes           no        no     no      everything
POST /v1/webhooks/:webhook/test                      yes           no        no     no      everything
GET /v1/webhooks/:webhook/deliveries                 yes           no        no     no      everything
GET /v1/sites                                        yes           yes       yes    own     read
POST /v1/sites                                       yes           no        no     no      sites
GET /v1/sites/:site                                  yes           yes       yes    own     read
POST /v1/sites/:site/invitations                     yes           no        no     no      sites
POST /v1/sites/:site/approve                         yes           no        no     no      sites
POST /v1/sites/:site/suspend                         yes           no        no     no      sites
POST /v1/sites/:site/resume                          yes           no        no     no      sites
POST /v1/sites/:site/revoke                          yes           no        no     no      sites
POST /v1/sites/:site/leave                           yes           no        no     no      sites
GET /v1/tasks                                        yes           yes       yes    own     read
POST /v1/tasks                                       yes           yes       no     no      tasks
GET /v1/tasks/:task                                  yes           yes       yes    own     read
POST /v1/tasks/:task/start                           yes           yes       no     no      tasks
POST /v1/tasks/:task/pause                           yes           yes       no     no      tasks
POST /v1/tasks/:task/resume                          yes           yes       no     no      tasks
POST /v1/tasks/:task/schedule                        yes           yes       no     no      tasks
POST /v1/tasks/:task/cancel                          yes           no        no     no      tasks
POST /v1/tasks/:task/promote                         yes           no        no     no      tasks
POST /v1/tasks/:task/rerun                           yes           no        no     no      tasks
POST /v1/tasks/:task/rollback                        yes           no        no     no      tasks
GET /v1/tasks/:task/rounds                           yes           yes       yes    own     read
GET /v1/tasks/:task/rounds/:round                    yes           yes       yes    no      read
GET /v1/tasks/:task/rounds/:round/verification       yes           yes       yes    no      read
POST /v1/tasks/:task/rounds/:round/abandon           yes           no        no     no      tasks
GET /v1/tasks/:task/versions                         yes           yes       yes    own     read
GET /v1/tasks/:task/versions/:version                yes           yes       yes    no      read
GET /v1/tasks/:task/versions/:version/adapter        yes           yes       no     no      read
GET /v1/tasks/:task/evaluations                      yes           yes       yes    own     read
GET /v1/tasks/:task/evaluations/brief                yes           yes       yes    own     read
GET /v1/tasks/:task/evaluation-requests              yes           yes       yes    own     read
POST /v1/tasks/:task/evaluation-requests             yes           yes       no     no      tasks
POST /v1/tasks/:task/evaluation-requests/:request/cancel yes       yes       no     no      tasks
GET /v1/audit                                        yes           yes       yes    no      audit
GET /v1/audit/head                                   yes           yes       yes    no      audit
GET /v1/audit/export                                 yes           yes       yes    no      audit
GET /metrics                                         yes           yes       yes    no      read
GET /v1/backup                                       yes           no        no     no      everything
GET /v1/operations                                   yes           yes       yes    no      read
GET /v1/drain                                        yes           yes       yes    no      read
POST /v1/drain                                       yes           no        no     no      everything
POST /v1/drain/cancel                                yes           no        no     no      everything
`;

const [heading = '', ...lines] = table.trim().split('\n');
const [, ...columns] = heading.split(/\s+/);
const roles = columns.slice(0, -1).map((role) => roleSchema.parse(role));
const rows = new Map<string, readonly string[]>(
  lines.map((line) => {
    const [method = '', path = '', ...cells] = line.split(/\s+/);
    return [`${method} ${path}`, cells] as const;
  }),
);
const nameOf = ({ method, path }: RouteContract): string => `${method} ${path}`;
const mayCall = (route: RouteContract, role: Role): boolean =>
  ['yes', 'own', 'public'].includes(rows.get(nameOf(route))?.[roles.indexOf(role)] ?? '');

describe('the table', () => {
  test('has one row for each route, and none for another', () => {
    expect([...rows.keys()].sort()).toEqual(allRoutes.map(nameOf).sort());
    expect(rows.size).toBe(lines.length);
  });

  test.each(allRoutes.map((route) => [nameOf(route), route] as const))(
    'says what the contract says: %s',
    (name, route) => {
      const cells = columns.map((column) => {
        if (route.roles === 'public') return 'public';
        if (column === 'token') return route.scope;
        const isIn = route.roles.some((role) => role === column);
        return isIn ? (column === 'steward' ? 'own' : 'yes') : 'no';
      });
      expect(rows.get(name)).toEqual(cells);
    },
  );

  test('leaves no method of a controller without a contract', () => {
    const { controllers = [] } = AppModule.with({} as Environment);
    const served = controllers.flatMap((controller) => {
      const prototype = controller.prototype as Record<string, object>;
      return Object.getOwnPropertyNames(prototype)
        .filter((name) => name !== 'constructor')
        .map((name) => [name, prototype[name] ?? {}] as const)
        .filter(([, method]) => Reflect.hasMetadata('path', method))
        .map(([name, method]) => {
          const contract = Reflect.getMetadata(contractKey, method) as RouteContract | undefined;
          return contract === undefined ? `${controller.name}.${name}` : nameOf(contract);
        });
    });
    expect(served.sort()).toEqual(allRoutes.map(nameOf).sort());
  });
});

const { size } = adapterLayout(
  specificationOf({ rank: 2, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone }),
);
const codeOf = async (response: Response): Promise<unknown> =>
  z.object({ code: z.string() }).parse(await response.json()).code;

let harness: Harness;
let people: People;
const cookies = new Map<Role, string>();

/** Three sites; a task of all of them after a round that west declined, and one without north. */
beforeAll(async () => {
  harness = await Harness.start();
  people = new People(harness);
  for (const name of ['north', 'south', 'west']) await harness.join(name);
  for (const role of roles) {
    const site = role === 'steward' ? { site: 'north' } : {};
    cookies.set(role, await people.join(`the-${role}`, role, site));
  }
  await harness.createTask({ task: 'shared', rounds: 2, rules: { quorumSites: 2 } });
  const another = { task: 'elsewhere', members: ['south', 'west'], rules: { quorumSites: 1 } };
  await harness.createTask({ ...another, title: 'of south and west' });
  for (const name of ['north', 'south']) {
    await harness.sites.get(name)?.takePart('shared', new Float32Array(size).fill(1));
  }
  const west = harness.sites.get('west');
  const { assignment, open } = (await west?.assignment('shared')) ?? {};
  if (west === undefined || assignment === undefined || open === undefined) throw new Error('west');
  const change = { decision: 'decline', code: 'INTERNAL', reason: 'south is ill' };
  const decision = west.decision(open, assignment.open.payload, change);
  await west.ask('round:decline', { decision });
  await harness.untilVersion('shared', 1);
  const asked = { versions: [1], reason: 'south looked odd' };
  await harness.request('POST', '/v1/tasks/shared/evaluation-requests', asked);
  await harness.request('POST', '/v1/tasks/shared/pause', { reason: 'west is away' });
}, 120_000);
afterAll(() => harness.stop());

/** What is open on the coordinator's own machine is not to whoever comes through a proxy. */
const elsewhere = { 'x-forwarded-for': '192.0.2.1' };

/** A call that gets past the guard and does nothing: its Idempotency-Key is none. */
const call = (route: RouteContract, path: string, role?: Role): Promise<Response> =>
  people.browse(
    route.method,
    path,
    role === undefined ? '' : cookies.get(role),
    route.method === 'POST' ? {} : undefined,
    { ...elsewhere, ...(route.method === 'GET' ? {} : { 'idempotency-key': 'no key' }) },
  );
const pathOf = (route: RouteContract, task: string, site: string): string =>
  route.path
    .replace(':task', task)
    .replace(':site', site)
    .replace(':version', '1')
    .replace(':round', '1')
    .replace(':request', '0123456789abcdef')
    .replace(':user', 'nobody')
    .replace(':token', '01234567')
    .replace(':webhook', 'wh-0123456789abcdef');

const closed = allRoutes.filter((route) => route.roles !== 'public');

describe.each(closed.map((route) => [nameOf(route), route] as const))('%s', (_name, route) => {
  test('answers nobody who is not signed in', async () => {
    const response = await call(route, pathOf(route, 'shared', 'north'));
    expect([response.status, await codeOf(response)]).toEqual([401, 'UNAUTHENTICATED']);
  });

  test.each(roles)('does for a %s what the table says', async (role) => {
    const response = await call(route, pathOf(route, 'shared', 'north'), role);
    if (mayCall(route, role)) {
      expect(route.method === 'GET' ? [200, 404] : [400]).toContain(response.status);
      await response.arrayBuffer();
    } else {
      expect([response.status, await codeOf(response)]).toEqual([403, 'FORBIDDEN']);
    }
  });
});

describe('an API token', () => {
  const scopes = [...new Set(closed.map(({ scope }) => scope))];
  const secrets = new Map<string, string>();
  beforeAll(async () => {
    for (const scope of scopes) {
      const body = { name: scope, scopes: [scope] };
      const made = await harness.request('POST', '/v1/tokens', body);
      secrets.set(scope, tokenRoutes.create.response.parse(made).secret);
    }
  });

  test.each(closed.map((route) => [nameOf(route), route] as const))(
    'needs the scope of the table: %s',
    async (_name, route) => {
      for (const scope of scopes) {
        const response = await fetch(
          `${harness.coordinator.url}${pathOf(route, 'shared', 'north')}`,
          {
            method: route.method,
            headers: {
              ...elsewhere,
              authorization: `Bearer ${secrets.get(scope) ?? ''}`,
              'content-type': 'application/json',
              ...(route.method === 'GET' ? {} : { 'idempotency-key': 'no key' }),
            },
            ...(route.method === 'POST' ? { body: '{}' } : {}),
          },
        );
        const isEnough = scope === route.scope || scope === 'everything';
        expect([scope, response.status === 403]).toEqual([scope, !isEnough]);
        await response.arrayBuffer();
      }
    },
  );
});

describe('the steward of north', () => {
  const own = closed.filter((route) => mayCall(route, 'steward'));
  const reads = own.filter(({ method }) => method === 'GET');

  test.each(reads.map((route) => [nameOf(route), route] as const))(
    'finds its own site and no other name in %s',
    async (_name, route) => {
      const path = pathOf(route, 'shared', 'north');
      const answer = await (await call(route, path, 'steward')).text();
      expect(answer).not.toMatch(/south|west/);
      expect(route.response.safeParse(JSON.parse(answer)).error).toBeUndefined();
      const everything = await (await call(route, path, 'administrator')).text();
      if (everything.includes('"north"')) expect(answer).toContain('"north"');
    },
  );

  test('... while the same answers name the others to an administrator', async () => {
    const named = await Promise.all(
      reads.map(async (route) => {
        const path = pathOf(route, 'shared', 'north');
        return (await (await call(route, path, 'administrator')).text()).includes('south');
      }),
    );
    expect(named.filter(Boolean).length).toBeGreaterThanOrEqual(5);
  });

  const objects = own.filter(({ path }) => /:(?:task|site)/.test(path));
  test.each(objects.map((route) => [nameOf(route), route] as const))(
    'is told the same of what is not its own and of what is not there: %s',
    async (_name, route) => {
      for (const [task, site] of [
        ['elsewhere', 'south'],
        ['nothing', 'nowhere'],
      ] as const) {
        const response = await call(route, pathOf(route, task, site), 'steward');
        const {
          correlationId: _,
          instance: _of,
          ...told
        } = problemSchema.parse(await response.json());
        const message = 'This is not allowed for the one who asks.';
        expect(told).toEqual({
          type: '/v1/errors/FORBIDDEN',
          code: 'FORBIDDEN',
          status: 403,
          title: message,
          detail: message,
          message,
          retryable: false,
        });
        expect(response.status).toBe(403);
      }
    },
  );
});

describe('the socket of pages', () => {
  test.each(roles)('tells a %s that something changed, by topic alone', async (role) => {
    const cookie = cookies.get(role) ?? '';
    const socket = io(`${harness.coordinator.url}/dashboard`, {
      ...{ transports: ['websocket'], forceNew: true, reconnection: false },
      extraHeaders: { cookie },
    });
    const events: unknown[] = [];
    const first = new Promise<void>((heard) => {
      socket.onAny((...event: unknown[]) => {
        events.push(event);
        heard();
      });
    });
    await first;
    socket.disconnect();
    expect(events[0]).toEqual(['changed', { version: expect.any(Number), topics: [] }]);
  });

  test.each(['tasks', 'changed', 'round:accept', 'anything'])(
    'takes no event of a page: %s',
    async (event) => {
      const socket = io(`${harness.coordinator.url}/dashboard`, {
        ...{ transports: ['websocket'], forceNew: true, reconnection: false },
        auth: { token: harness.token },
      });
      await new Promise((connected) => socket.once('connect', () => connected(null)));
      await expect(socket.timeout(300).emitWithAck(event, { task: 'shared' })).rejects.toThrow();
      expect(socket.connected).toBe(true);
      socket.disconnect();
    },
  );
});
