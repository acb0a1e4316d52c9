import { addressOf, placeOf, type Place } from './places.ts';

const places: readonly (readonly [string, Place])[] = [
  ['#/', { page: 'overview' }],
  ['#/tasks', { page: 'tasks' }],
  ['#/new-task', { page: 'new-task' }],
  ['#/coordinator', { page: 'coordinator' }],
  ['#/settings', { page: 'settings' }],
  ['#/users', { page: 'users' }],
  ['#/account', { page: 'account' }],
  ['#/tasks/breast', { page: 'task', task: 'breast', section: 'now' }],
  ['#/tasks/breast/versions', { page: 'task', task: 'breast', section: 'versions' }],
  ['#/tasks/breast/rounds', { page: 'task', task: 'breast', section: 'rounds' }],
  ['#/tasks/breast/rounds/3', { page: 'round', task: 'breast', round: 3, attempt: null }],
  ['#/tasks/breast/rounds/3?attempt=2', { page: 'round', task: 'breast', round: 3, attempt: 2 }],
  ['#/sites', { page: 'sites' }],
  ['#/sites/north', { page: 'site', site: 'north' }],
  ['#/audit', { page: 'audit', filters: {} }],
  [
    '#/audit?target=site%3Anorth&from=2026-11-27',
    { page: 'audit', filters: { target: 'site:north', from: '2026-11-27' } },
  ],
];

test.each(places)('%s is one place, and its only address', (address, place) => {
  expect(placeOf(address)).toEqual(place);
  expect(addressOf(place)).toBe(address);
});

test('a name with any character comes back as it was', () => {
  const place: Place = { page: 'site', site: 'a/b?c#d %é' };
  expect(placeOf(addressOf(place))).toEqual(place);
});

test('without an address one is at the overview', () => {
  expect(placeOf('')).toEqual({ page: 'overview' });
  expect(placeOf('#')).toEqual({ page: 'overview' });
});

test.each([
  '#/elsewhere',
  '#/tasks/breast/else',
  '#/tasks/breast/rounds/0',
  '#/tasks/breast/rounds/x',
  '#/tasks/breast/rounds/3?attempt=last',
  '#/tasks/breast/rounds/3/4',
  '#/sites/north/more',
  '#/sites/%E0%A4%A',
  `#/sites/${'a'.repeat(129)}`,
])('%s leads nowhere, and says so', (address) => {
  expect(placeOf(address)).toEqual({ page: 'nowhere' });
});
