import { HandClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';

const clock = new HandClock();
let harness: Harness;
beforeAll(async () => {
  const settings = { requestsPerSecond: 2, requestsBurst: 3, trustProxy: true };
  harness = await Harness.start({ clock, settings });
});
afterAll(() => harness.stop());

let addresses = 0;
const askFromNetwork = () => {
  const headers = { 'x-forwarded-for': `2001:db8::${++addresses}` };
  return fetch(`${harness.coordinator.url}/v1/health`, { headers });
};

test.each([
  ['a caller', () => harness.raw('GET', '/v1/sites')],
  ['an address, before anybody is known', () => fetch(`${harness.coordinator.url}/v1/health`)],
  ['a /64 of IPv6, from whichever of its addresses', askFromNetwork],
])('%s is answered so many requests at once, and more with time', async (_name, ask) => {
  const many = async (count: number) => {
    const statuses = [];
    for (let asked = 0; asked < count; asked++) statuses.push((await ask()).status);
    return statuses;
  };
  expect(await many(4)).toEqual([200, 200, 200, 429]);
  const refused = await ask();
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(await refused.json()).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
  clock.nowMs += 1000;
  expect(await many(3)).toEqual([200, 200, 429]);
});
