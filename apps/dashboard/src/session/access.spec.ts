/** That pages and buttons are shown to those whom the coordinator's routes let in, and to nobody else. */
import { allRoutes } from '../../../coordinator/src/common/contracts.ts';
import { roleSchema, type Role } from '../api/schemas.ts';
import type { Place } from '../places.ts';
import { describeRole, mayDo, mayVisit, ownersOf, type Deed } from './access.ts';

/** Roles that a route lets in. */
function rolesOf(name: string): readonly string[] {
  const route = allRoutes.find(({ method, path }) => `${method} ${path}` === name);
  if (route === undefined) throw new Error(`no route ${name}`);
  return route.roles === 'public' ? roleSchema.options : route.roles;
}

const taskRoute = (rest: string): string => `/v1/tasks/:task/${rest}`;

/** What a page cannot be without. */
const readBy: Readonly<Record<Exclude<Place['page'], 'nowhere'>, readonly string[]>> = {
  overview: ['GET /v1/sites', 'GET /v1/tasks', 'GET /v1/health'],
  tasks: ['GET /v1/tasks'],
  task: ['rounds', 'versions', 'evaluations', 'evaluation-requests'].map(
    (rest) => `GET ${taskRoute(rest)}`,
  ),
  round: [`GET ${taskRoute('rounds/:round')}`, `GET ${taskRoute('rounds/:round/verification')}`],
  'new-task': ['POST /v1/tasks'],
  sites: ['GET /v1/sites'],
  site: ['GET /v1/sites', 'GET /v1/tasks'],
  audit: ['GET /v1/audit', 'GET /v1/audit/head', 'GET /v1/audit/export'],
  coordinator: ['GET /v1/operations'],
  settings: [
    'GET /v1/webhooks',
    'POST /v1/webhooks',
    'POST /v1/webhooks/:webhook/test',
    'DELETE /v1/webhooks/:webhook',
    'GET /v1/webhooks/:webhook/deliveries',
  ],
  users: ['GET /v1/users', 'POST /v1/users', 'POST /v1/users/:user/role', 'DELETE /v1/users/:user'],
  account: ['GET /v1/account', 'GET /v1/sessions', 'GET /v1/tokens', 'DELETE /v1/sessions'],
};

/** What a button does. */
const doneBy: Readonly<Record<Deed, readonly string[]>> = {
  train: [
    ...[
      'start',
      'pause',
      'resume',
      'evaluation-requests',
      'evaluation-requests/:request/cancel',
    ].map((rest) => `POST ${taskRoute(rest)}`),
    `GET ${taskRoute('versions/:version/adapter')}`,
  ],
  administer: [
    ...['cancel', 'promote', 'rollback', 'rounds/:round/abandon'].map(
      (rest) => `POST ${taskRoute(rest)}`,
    ),
    ...['approve', 'suspend', 'resume', 'revoke', 'leave', 'invitations'].map(
      (rest) => `POST /v1/sites/:site/${rest}`,
    ),
    ...['POST /v1/sites', 'POST /v1/drain', 'POST /v1/drain/cancel', 'GET /v1/backup'],
  ],
  inspect: [`GET ${taskRoute('rounds/:round')}`, `GET ${taskRoute('versions/:version')}`],
};

const sorted = (roles: readonly string[]): readonly string[] => [...roles].sort();
const allowed = (isAllowed: (role: Role) => boolean): readonly string[] =>
  sorted(roleSchema.options.filter(isAllowed));

test('roles are those of the coordinator', () => {
  expect(sorted(roleSchema.options)).toEqual(sorted(rolesOf('GET /v1/account')));
});

test.each(Object.entries(readBy))('the page %s is open to whoever may read it', (page, routes) => {
  for (const route of routes) {
    expect([route, allowed((role) => mayVisit(role, page as Place['page']))]).toEqual([
      route,
      sorted(rolesOf(route)),
    ]);
  }
});

test.each(Object.entries(doneBy))('buttons to %s are those of the roles', (deed, routes) => {
  for (const route of routes) {
    expect([route, allowed((role) => mayDo(role, deed as Deed))]).toEqual([
      route,
      sorted(rolesOf(route)),
    ]);
  }
});

test('a closed page says whose it is, and who asks', () => {
  expect(ownersOf('users')).toBe('administrators');
  expect(ownersOf('new-task')).toBe('administrators and scientists');
  expect(ownersOf('round')).toBe('administrators, scientists and viewers');
  expect(describeRole({ role: 'steward', site: 'north' })).toBe('a steward of north');
  expect(describeRole({ role: 'administrator', site: null })).toBe('an administrator');
});
