import { createHmac } from 'node:crypto';
import { eq } from 'drizzle-orm';
import type { Clock } from '#core/clock';
import { auditRoutes } from '../audit/audit.contract.ts';
import { systemClock } from '../common/clock.ts';
import { openAlerts, webhookDeliveries } from '../config/schema.ts';
import { invitationViewSchema, siteViewSchema } from '../sites/sites.contract.ts';
import { FakeSite } from '../testing/fake-site.ts';
import { Harness } from '../testing/harness.ts';
import { answerStatus, Receiver, type Received } from '../testing/receiver.ts';
import { retryDelaysMs } from './retry-delays.ts';
import {
  alertBodySchema,
  destinationSchema,
  webhookRoutes,
  type AlertBody,
  type DeliveryView,
} from './webhooks.contract.ts';
import { webhooksMax } from './webhooks.service.ts';

const gigabyte = 2 ** 30;
const dayMs = 24 * 3_600_000;
let harness: Harness;
let receiver: Receiver;
/** Added to the wall time, so that days pass. */
let aheadMs = 0;
let freeBytes = 100 * gigabyte;
const clock: Clock = {
  wallTimeMs: () => systemClock.wallTimeMs() + aheadMs,
  monotonicTimeMs: () => systemClock.monotonicTimeMs(),
};
beforeAll(async () => {
  receiver = await Receiver.start();
  const settings = { keyAgeMaxMs: 20 * dayMs }; // less than what the administrator's token lasts
  harness = await Harness.start({ clock, settings, freeBytes: async () => freeBytes });
});
afterAll(async () => {
  await harness.stop();
  await receiver.stop();
});
beforeEach(() => {
  receiver.received.length = 0;
  receiver.answer = answerStatus(204);
});
afterEach(async () => {
  for (const { webhook } of await list()) await remove(webhook);
});

const list = async () =>
  webhookRoutes.list.response.parse(await harness.request('GET', '/v1/webhooks')).webhooks;
const make = async (body: Record<string, unknown> = {}) =>
  webhookRoutes.create.response.parse(
    await harness.request('POST', '/v1/webhooks', { url: `${receiver.url}/alerts`, ...body }),
  );
const remove = (webhook: string) => harness.request('DELETE', `/v1/webhooks/${webhook}`);
const sendTest = async (webhook: string): Promise<DeliveryView> =>
  webhookRoutes.test.response.parse(
    await harness.request('POST', `/v1/webhooks/${webhook}/test`, {}),
  );
const deliveriesOf = async (webhook: string, query = ''): Promise<readonly DeliveryView[]> =>
  webhookRoutes.deliveries.response.parse(
    await harness.request('GET', `/v1/webhooks/${webhook}/deliveries${query}`),
  ).deliveries;
const untilDeliveries = (
  webhook: string,
  isDone: (deliveries: readonly DeliveryView[]) => boolean,
): Promise<readonly DeliveryView[]> => harness.until(() => deliveriesOf(webhook), isDone);
const untilTried = (webhook: string, attempts = 1) =>
  untilDeliveries(webhook, ([newest]) => newest !== undefined && newest.attempts >= attempts);
const bodyOf = (received: Received | undefined): AlertBody =>
  alertBodySchema.parse(JSON.parse(received?.body ?? ''));
/** Bodies that came, oldest first, once there are so many. */
const untilReceived = async (count: number): Promise<AlertBody[]> =>
  (
    await harness.until(
      async () => receiver.received,
      (received) => received.length >= count,
    )
  ).map(bodyOf);

describe('a webhook', () => {
  test('signs what it sends as Standard Webhooks do', async () => {
    const { webhook, secret } = await make();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const asked = await sendTest(webhook.webhook);
    const [delivery] = await untilTried(webhook.webhook);
    expect(delivery).toMatchObject({
      ...{ id: asked.id, kind: 'test', state: 'raised', status: 'delivered' },
      ...{ subject: `webhook:${webhook.webhook}`, lastOutcome: '204', attempts: 1 },
    });
    const [sent] = receiver.received;
    const { 'webhook-id': id, 'webhook-timestamp': timestamp } = sent?.headers ?? {};
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const content = `${String(id)}.${String(timestamp)}.${sent?.body ?? ''}`;
    const mac = createHmac('sha256', key).update(content).digest('base64');
    expect(sent?.headers['webhook-signature']).toBe(`v1,${mac}`);
    expect(bodyOf(sent)).toMatchObject({ id, kind: 'test', details: {} });
  });

  test('has its secret told once, and its address in no audit entry', async () => {
    const { webhook, secret } = await make({ url: `${receiver.url}/password-of-mine` });
    await sendTest(webhook.webhook);
    await untilTried(webhook.webhook);
    const told = JSON.stringify([await list(), await deliveriesOf(webhook.webhook)]);
    expect(told).toContain(webhook.webhook);
    expect(told).not.toContain(secret.slice('whsec_'.length));
    await remove(webhook.webhook);
    const path = `/v1/audit?target=webhook:${webhook.webhook}`;
    const { entries } = auditRoutes.list.response.parse(await harness.request('GET', path));
    expect(entries.map(({ action, actor }) => [action, actor])).toEqual(
      ['created', 'tested', 'removed'].map((what) => [`webhook.${what}`, 'administrator']),
    );
    expect(JSON.stringify(entries)).not.toMatch(/password-of-mine|whsec/);
  });

  test('is one for an address, and sixteen in all', async () => {
    const { webhook } = await make();
    const twice = { url: `${receiver.url}/alerts` };
    expect((await harness.raw('POST', '/v1/webhooks', twice)).status).toBe(409);
    for (let count = 1; count < webhooksMax; count++)
      await make({ url: `${receiver.url}/${count}` });
    const more = { url: `${receiver.url}/more` };
    expect((await harness.raw('POST', '/v1/webhooks', more)).status).toBe(409);
    await remove(webhook.webhook);
    expect((await harness.raw('POST', '/v1/webhooks', more)).status).toBe(201);
  });

  test('is made once by an Idempotency-Key that comes again', async () => {
    const send = () =>
      harness.raw('POST', '/v1/webhooks', { url: receiver.url }, { 'idempotency-key': 'twice' });
    const first: unknown = await (await send()).json();
    expect(await (await send()).json()).toEqual(first);
    expect(await list()).toHaveLength(1);
  });

  test.each([
    ['GET', '/v1/webhooks/wh-0000000000000000/deliveries', 404],
    ['POST', '/v1/webhooks/wh-0000000000000000/test', 404],
    ['DELETE', '/v1/webhooks/wh-0000000000000000', 404],
    ['GET', '/v1/webhooks/something/deliveries', 400],
  ])('that is none is refused: %s %s', async (method, path, status) => {
    expect((await harness.raw(method, path)).status).toBe(status);
  });
});

describe('a delivery', () => {
  test('that is a test is sent once, and says what came of it', async () => {
    receiver.answer = answerStatus(500);
    const { webhook } = await make();
    await sendTest(webhook.webhook);
    const [failed] = await untilTried(webhook.webhook);
    expect(failed).toMatchObject({ status: 'failed', lastOutcome: '500', nextAtMs: null });
  });

  test('is sent again after a wait, the same message, over a restart too', async () => {
    freeBytes = 0;
    receiver.answer = answerStatus(503);
    const { webhook } = await make({ kinds: ['disk-low'] });
    const [refused] = await untilTried(webhook.webhook);
    expect(refused).toMatchObject({ status: 'pending', lastOutcome: '503', deliveredAtMs: null });
    const waitMs = (refused?.nextAtMs ?? 0) - clock.wallTimeMs();
    expect(waitMs).toBeLessThanOrEqual(retryDelaysMs[0] ?? 0);
    receiver.answer = answerStatus(204);
    aheadMs += retryDelaysMs[0] ?? 0;
    await harness.restart();
    const [taken] = await untilTried(webhook.webhook, 2);
    expect(taken).toMatchObject({ status: 'delivered', attempts: 2, nextAtMs: null });
    const [first, second] = receiver.received;
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    freeBytes = 100 * gigabyte;
    await untilReceived(3);
  });

  test('that hangs is sent after a restart that came amid it', async () => {
    const { webhook } = await make({ kinds: ['round-abandoned'] });
    receiver.answer = () => undefined;
    await sendTest(webhook.webhook);
    await harness.until(
      async () => receiver.received.length,
      (count) => count === 1,
    );
    receiver.answer = answerStatus(204);
    await harness.restart();
    const [delivery] = await untilTried(webhook.webhook);
    expect(delivery).toMatchObject({ status: 'delivered', attempts: 1 });
    const [first, second] = receiver.received;
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  });

  test('to an address that hangs keeps no other waiting', async () => {
    const hanging = await Receiver.start();
    hanging.answer = () => undefined;
    const slow = (await make({ url: hanging.url })).webhook;
    const { webhook } = await make();
    await sendTest(slow.webhook);
    await harness.until(
      async () => hanging.received.length,
      (count) => count === 1,
    );
    await sendTest(webhook.webhook);
    expect(await untilTried(webhook.webhook)).toMatchObject([{ status: 'delivered' }]);
    expect(await deliveriesOf(slow.webhook)).toMatchObject([{ status: 'pending', attempts: 0 }]);
    await hanging.stop();
  });

  test('is given up after the last attempt, which shows', async () => {
    freeBytes = 0;
    receiver.answer = answerStatus(410);
    const { webhook } = await make({ kinds: ['disk-low'] });
    await untilTried(webhook.webhook);
    await harness.tamper((queries) =>
      queries
        .update(webhookDeliveries)
        .set({ attempts: retryDelaysMs.length, nextAtMs: 0 })
        .where(eq(webhookDeliveries.webhook, webhook.webhook)),
    );
    const [failed] = await untilTried(webhook.webhook, retryDelaysMs.length + 1);
    expect(failed).toMatchObject({ status: 'failed', lastOutcome: '410', nextAtMs: null });
    expect(await list()).toMatchObject([{ pending: 0 }]);
    freeBytes = 100 * gigabyte;
    await untilDeliveries(webhook.webhook, (deliveries) => deliveries.length === 2);
  });

  test('lists come page by page, newest first', async () => {
    const { webhook } = await make();
    const sent = [];
    for (let count = 0; count < 3; count++) sent.unshift((await sendTest(webhook.webhook)).id);
    const [first, second] = await deliveriesOf(webhook.webhook, '?limit=2');
    expect([first?.id, second?.id]).toEqual(sent.slice(0, 2));
    const rest = await deliveriesOf(webhook.webhook, `?cursor=${second?.delivery ?? 0}`);
    expect(rest.map(({ id }) => id)).toEqual(sent.slice(2));
    await untilDeliveries(webhook.webhook, (all) => all.every(({ attempts }) => attempts === 1));
  });
});

describe('an alert', () => {
  test('of a disk is raised once and resolved once, over a restart too', async () => {
    const { webhook } = await make({ kinds: ['disk-low'] });
    const other = (await make({ url: `${receiver.url}/other`, kinds: ['key-old'] })).webhook;
    freeBytes = gigabyte / 4;
    const [raised] = await untilReceived(1);
    expect(raised).toMatchObject({
      ...{ kind: 'disk-low', state: 'raised', subject: 'coordinator' },
      details: { freeBytes, reserveBytes: gigabyte / 2 },
    });
    await harness.restart();
    freeBytes = 100 * gigabyte;
    const told = await untilReceived(2);
    expect(told[1]).toMatchObject({ state: 'resolved', alert: raised?.alert, details: {} });
    expect(told[1]?.id).not.toBe(raised?.id);
    expect(await deliveriesOf(webhook.webhook)).toHaveLength(2);
    expect(await deliveriesOf(other.webhook)).toEqual([]);
  });

  test('that holds is told to a new address, and its end not before its beginning', async () => {
    freeBytes = 0;
    const first = (await make({ kinds: ['disk-low'] })).webhook;
    const [raised] = await untilReceived(1);
    receiver.answer = answerStatus(500);
    const { webhook } = await make({ url: `${receiver.url}/late` });
    await untilTried(webhook.webhook);
    freeBytes = 100 * gigabyte;
    await untilDeliveries(first.webhook, ([newest]) => newest?.state === 'resolved');
    const waiting = await untilDeliveries(webhook.webhook, (all) => all.length === 2);
    expect(waiting).toMatchObject([
      { state: 'resolved', attempts: 0, alert: raised?.alert },
      { state: 'raised', status: 'pending', alert: raised?.alert },
    ]);
    receiver.answer = answerStatus(204);
    aheadMs += retryDelaysMs[1] ?? 0;
    await untilDeliveries(webhook.webhook, (all) =>
      all.every((each) => each.deliveredAtMs !== null),
    );
    const late = receiver.received.filter(({ path }) => path === '/late').map(bodyOf);
    expect(late.at(-2)?.state).toBe('raised');
    expect(late.at(-1)?.state).toBe('resolved');
  });

  test('of a silent site ends when it is back', async () => {
    const north = await harness.join('north');
    await north.hello('0.2.0');
    const { webhook } = await make({ kinds: ['site-silent'] });
    north.close();
    await harness.until(
      async () => siteViewSchema.parse(await harness.request('GET', '/v1/sites/north')),
      ({ isConnected }) => !isConnected,
    );
    aheadMs += 10 * 60_000;
    const [raised] = await untilReceived(1);
    expect(raised).toMatchObject({ kind: 'site-silent', subject: 'site:north', state: 'raised' });
    expect(raised?.details['silentMinutes']).toBeGreaterThanOrEqual(10);
    await north.connect();
    const told = await untilReceived(2);
    expect(told[1]).toMatchObject({ kind: 'site-silent', state: 'resolved', alert: raised?.alert });
    expect(await deliveriesOf(webhook.webhook)).toHaveLength(2);
  });

  test('of an abandoned round comes with its numbers, without its reason, and lasts no longer', async () => {
    for (const name of ['south', 'west']) await harness.join(name);
    const { webhook } = await make({ kinds: ['round-abandoned'] });
    await harness.createTask({ members: ['south', 'west'] });
    await harness.until(
      () => harness.task('chest'),
      ({ currentRound }) => currentRound !== null,
    );
    await harness.request('POST', '/v1/tasks/chest/cancel', { reason: 'Mrs Miller called' });
    const [told] = await untilReceived(1);
    expect(told).toMatchObject({
      ...{ kind: 'round-abandoned', state: 'raised', subject: 'task:chest' },
      details: { round: 1, attempt: 1 },
    });
    expect(JSON.stringify(told)).not.toContain('Miller');
    expect(await deliveriesOf(webhook.webhook)).toHaveLength(1);
  });

  test('of keys counts from the first enrolment with them', async () => {
    const site = await harness.join('again');
    const enrolledAtMs = async () =>
      siteViewSchema.parse(await harness.request('GET', '/v1/sites/again')).enrolledAtMs;
    const enrolAgain = async (agent: FakeSite) => {
      const invited = await harness.request('POST', '/v1/sites/again/invitations', {});
      await agent.enroll(invitationViewSchema.parse(invited).code);
    };
    const firstMs = await enrolledAtMs();
    aheadMs += 60_000;
    await enrolAgain(site);
    expect(await enrolledAtMs()).toBe(firstMs);
    await enrolAgain(new FakeSite('again', harness.coordinator.url));
    expect(await enrolledAtMs()).toBeGreaterThanOrEqual((firstMs ?? 0) + 60_000);
  });

  test('of old keys is decided and told even where the process ends in between', async () => {
    const { webhook } = await make({ kinds: ['key-old'] });
    await harness.join('east');
    receiver.answer = () => undefined; // decided, and not delivered
    aheadMs += 20 * dayMs;
    await harness.until(
      () => deliveriesOf(webhook.webhook),
      (deliveries) => deliveries.length > 0,
    );
    await harness.tamper(async (queries) => {
      expect(await queries.select().from(openAlerts)).not.toEqual([]);
      receiver.received.length = 0;
      receiver.answer = answerStatus(204);
    });
    const deliveries = await untilDeliveries(
      webhook.webhook,
      (all) => all.length > 0 && all.every(({ status }) => status === 'delivered'),
    );
    expect(deliveries.map(({ subject, state }) => `${subject} ${state}`)).toContain(
      'site:east raised',
    );
    expect(new Set(deliveries.map(({ alert }) => alert)).size).toBe(deliveries.length);
  });
});

describe('an address that is told', () => {
  test.each([
    'https://alerts.example/x?y=1',
    'https://10.0.0.7/alerts',
    'http://127.0.0.1:9/x',
    'http://localhost/',
    'http://[::1]:80/',
  ])('may be %s', (url) => {
    expect(destinationSchema.safeParse(url).success).toBe(true);
  });

  test.each([
    'http://alerts.example/',
    'http://169.254.169.254/latest/meta-data/',
    'http://10.0.0.7/alerts',
    'http://0.0.0.0/',
    'http://127.0.0.1.example/',
    'http://[::ffff:10.0.0.7]/',
    'http://localhost@alerts.example/',
    'https://name:password@alerts.example/',
    'https://alerts.example/#part',
    'ftp://alerts.example/',
    'file:///etc/passwd',
    'alerts.example',
    'https://alerts.example/a b',
  ])('may not be %s', (url) => {
    expect(destinationSchema.safeParse(url).success).toBe(false);
  });
});
