/** How often a wrong password may be tried, where many names and addresses are tried. */
import type { Environment } from '../common/environment.ts';
import { HandClock } from '../testing/hand-clock.ts';
import { firstWaitMs, freeFailures, keysMax, SignInThrottle } from './sign-in-throttle.service.ts';

let clock: HandClock;
let throttle: SignInThrottle;
beforeEach(() => {
  clock = new HandClock();
  throttle = new SignInThrottle({ clock } as unknown as Environment);
});

/** Each try comes from a network of its own unless a test says where from. */
let networks = 0;
const elsewhere = (): string => `2001:db8:${(networks++).toString(16)}::1`;
const fail = (user: string, times: number, address?: string): void => {
  for (let time = 0; time < times; time++) throttle.begin(user, address ?? elsewhere());
};
const isRefused = (user: string, address = elsewhere()): boolean => {
  try {
    throttle.begin(user, address).undecided();
    return false;
  } catch {
    return true;
  }
};
const others = Array.from({ length: keysMax + 1 }, (_, index) => `other-${index}`);

test('a name under a wait stays refused however many others are tried, until its wait is over', () => {
  fail('anna', freeFailures.user);
  for (const other of others) fail(other, 1);
  expect(isRefused('anna')).toBe(true);
  clock.nowMs += firstWaitMs;
  for (const other of others) fail(other, 1);
  fail('anna', freeFailures.user - 1);
  expect(isRefused('anna')).toBe(false);
});

test('an address under a wait stays refused however many others try', () => {
  for (let time = 0; time < freeFailures.address; time++) fail(`guess-${time}`, 1, '192.0.2.9');
  for (const other of others) fail(other, 1);
  expect(isRefused('somebody', '192.0.2.9')).toBe(true);
});

test('the addresses of one /64 are one address', () => {
  for (let time = 0; time < freeFailures.address; time++) {
    fail(`guess-${time}`, 1, `2001:db8:ffff:1::${time.toString(16)}`);
  }
  expect(isRefused('somebody', '2001:db8:ffff:1:a:b:c:d')).toBe(true);
  expect(isRefused('somebody', '2001:db8:ffff:2::1')).toBe(false);
});

test('tries that were not decided take no room', () => {
  fail('anna', freeFailures.user - 1);
  for (const other of others) throttle.begin(other, elsewhere()).undecided();
  fail('anna', 1);
  expect(isRefused('anna')).toBe(true);
});
