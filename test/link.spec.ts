/** The agent's link through what hospitals have: proxies, authorities of their own, blocked websockets, dead lines, sleep. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toHex } from '#core/bytes';
import { blake2b256, generateSigningKeyPair } from '#core/crypto';
import { limits, siteIdSchema } from '#core/protocol';
import { checkConnection } from '../apps/site-agent/src/commands/doctor-connection.ts';
import { parseAgentConfig } from '../apps/site-agent/src/config/agent-config.ts';
import { ensureSiteKeys, storeCoordinator } from '../apps/site-agent/src/identity/identity.ts';
import type { AgentEvent } from '../apps/site-agent/src/common/events.ts';
import { systemClock } from '../apps/site-agent/src/common/clock.ts';
import { proxyChoice } from '../apps/site-agent/src/common/proxy-settings.ts';
import { FakeCoordinator } from '../apps/site-agent/src/testing/fake-coordinator.ts';
import { FakeUploads } from '../apps/site-agent/src/testing/fake-uploads.ts';
import { waitUntil } from '../apps/site-agent/src/testing/wait-until.ts';
import {
  CoordinatorConnection,
  type ConnectionOptions,
} from '../apps/site-agent/src/transport/connection.ts';
import { uploadSealed } from '../apps/site-agent/src/transport/upload.ts';
import { makeCertificates } from './support/certificates.ts';
import { ConnectProxy, type ConnectProxyOptions } from './support/connect-proxy.ts';
import { FaultProxy } from './support/fault-proxy.ts';

const site = siteIdSchema.parse('north');
const siteKeys = generateSigningKeyPair();
const ciphertext = new Uint8Array(3 * limits.rangeBytes + 17).map((_, index) => index % 251);

let said: string[];
let events: AgentEvent[];
/** What a test opened, the last first. */
let endings: (() => Promise<void>)[];

beforeEach(() => {
  said = [];
  events = [];
  endings = [];
});

afterEach(async () => {
  for (const end of endings.reverse()) await end();
});

// engine.io's polling says good-bye once more after its connection has gone; let it before the environment goes.
afterAll(() => sleep(500));

async function startCoordinator(
  ...tls: ConstructorParameters<typeof FakeCoordinator>
): Promise<FakeCoordinator> {
  const coordinator = new FakeCoordinator(...tls);
  coordinator.sites.set(site, siteKeys.publicKey);
  await coordinator.start();
  endings.push(() => coordinator.stop());
  return coordinator;
}

async function openProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const proxy = await ConnectProxy.open(options);
  endings.push(() => proxy.close());
  return proxy;
}

function connect(
  coordinator: FakeCoordinator,
  changes: Partial<ConnectionOptions> = {},
): CoordinatorConnection {
  const log = (details: object, message: string): void =>
    void said.push(JSON.stringify(details), message);
  const connection = new CoordinatorConnection({
    url: coordinator.url,
    federation: coordinator.federation,
    site,
    signingSecretKey: siteKeys.secretKey,
    coordinatorPublicKey: coordinator.signing.publicKey,
    certificateAuthority: null,
    acknowledgementTimeoutMs: 20_000,
    backoff: { minimumMs: 5, maximumMs: 20 },
    slowRetryMs: 30,
    emit: (event) => events.push(event),
    logger: { info: log, warn: log, error: log },
    ...changes,
  });
  endings.push(() => connection.stop());
  connection.start();
  return connection;
}

async function refusal(): Promise<AgentEvent & { readonly event: 'refused' }> {
  await waitUntil(() => events.some(({ event }) => event === 'refused'), 'a refusal');
  const refused = events.find((event) => event.event === 'refused');
  if (refused?.event !== 'refused') throw new Error('expected a refusal');
  return refused;
}

async function expectUploads(
  coordinator: FakeCoordinator,
  connection: CoordinatorConnection,
): Promise<void> {
  const uploads = new FakeUploads(coordinator);
  const uploadId = toHex(blake2b256(ciphertext));
  const manifest = { payload: new Uint8Array(3), signature: new Uint8Array(64) };
  await uploadSealed(connection, { uploadId, ciphertext, manifest });
  expect(Buffer.compare(uploads.committed.get(uploadId) ?? Buffer.alloc(0), ciphertext)).toBe(0);
}

describe('a proxy', () => {
  test.each([
    ['without a password', {}, ''],
    ['with one', { credentials: 'hospital:hunter2' }, 'hospital:hunter2'],
    ['with one of odd characters', { credentials: 'a b:p@ss/1' }, 'a%20b:p%40ss%2F1'],
  ])(
    '%s carries requests and websocket, and nothing goes beside it',
    async (_what, options, own) => {
      const coordinator = await startCoordinator();
      const proxy = await openProxy(options);
      const connection = connect(coordinator, { proxy: proxyChoice(proxy.url(own), {}) });
      await connection.whenConnected();
      await expectUploads(coordinator, connection);
      expect(proxy.tunnels).toEqual(Array<string>(2).fill(`127.0.0.1:${coordinator.port}`));
      expect(coordinator.connections).toBe(2);
    },
  );

  test.each([
    ['wants a password', { credentials: 'hospital:hunter2' }, 407, 'connection.proxy'],
    ['does not allow the address', { refuseWith: 403 }, 403, 'ask the administrator'],
    ['fails', { refuseWith: 502 }, 502, 'check connection.proxy'],
  ])('that %s is named, without its password', async (_what, options, status, advice) => {
    const coordinator = await startCoordinator();
    const proxy = await openProxy(options);
    connect(coordinator, { proxy: proxyChoice(proxy.url('hospital:wr0ng'), {}) });
    const { code, message } = await refusal();
    expect(code).toBe('PROXY_REFUSED');
    expect(message).toContain(proxy.url());
    expect(message).toContain(String(status));
    expect(message).toContain(advice);
    expect([...said, JSON.stringify(events)].join('\n')).not.toMatch(/wr0ng|hunter2/);
  });

  test('that is not there is named', async () => {
    const coordinator = await startCoordinator();
    const proxy = await openProxy();
    const address = proxy.url('hospital:hunter2');
    await proxy.close();
    endings.splice(1, 1);
    connect(coordinator, { proxy: proxyChoice(address, {}) });
    const { code, message } = await refusal();
    expect([code, message]).toEqual(['PROXY_REFUSED', expect.stringContaining('ECONNREFUSED')]);
    expect(message).not.toContain('hunter2');
  });
});

describe('a certificate of an own authority', () => {
  const certificates = makeCertificates('Hospital Test Authority', ['127.0.0.1', 'localhost']);
  const trusted = { certificateAuthority: certificates.authority };

  test('is refused without caFile, and the authority that is missing is named', async () => {
    connect(await startCoordinator(certificates));
    const { code, message } = await refusal();
    expect(code).toBe('CERTIFICATE_UNTRUSTED');
    expect(message).toContain('"Hospital Test Authority"');
    expect(message).toContain('caFile');
    expect(message).toContain('inspects TLS');
  });

  test('of another authority is refused although one is trusted', async () => {
    const other = makeCertificates('Another Authority', ['127.0.0.1']);
    connect(await startCoordinator(other), trusted);
    const { code, message } = await refusal();
    expect(code).toBe('CERTIFICATE_UNTRUSTED');
    expect(message).toContain('"Another Authority"');
  });

  test('for another name is refused, and that is what it says', async () => {
    const elsewhere = makeCertificates('Hospital Test Authority', ['elsewhere.example']);
    connect(await startCoordinator(elsewhere), { certificateAuthority: elsewhere.authority });
    const { code, message } = await refusal();
    expect(code).toBe('CERTIFICATE_UNTRUSTED');
    expect(message).toContain('for another name');
  });

  test.each([
    ['websocket', false],
    ['polling', false],
    ['websocket', true],
    ['polling', true],
  ] as const)(
    'is taken with caFile, over %s; through a proxy: %s',
    async (transport, isProxied) => {
      const coordinator = await startCoordinator(certificates);
      const proxy = isProxied ? await openProxy({ credentials: 'a:b' }) : null;
      const choice = proxyChoice(proxy?.url('a:b') ?? 'none', {});
      const ways = { transports: [transport], proxy: choice };
      const connection = connect(coordinator, { ...trusted, ...ways });
      await connection.whenConnected();
      await expectUploads(coordinator, connection);
      expect(coordinator.transports).toEqual([transport]);
      if (proxy !== null) expect(coordinator.connections).toBe(proxy.tunnels.length);
    },
  );
});

describe('a way that does not let websockets through', () => {
  test.each(['refuse', 'swallow'] as const)(
    'and does so by a proxy that will %s them: polling after two failures, and it stays',
    async (websockets) => {
      const coordinator = await startCoordinator();
      const proxy = await openProxy({ websockets });
      const choice = proxyChoice(proxy.url(), {});
      const connection = connect(coordinator, { proxy: choice, connectTimeoutMs: 2000 });
      await connection.whenConnected();
      await expectUploads(coordinator, connection);
      const cutting = setInterval(() => proxy.cutAll(), 5); // between two polls there is nothing to cut
      await waitUntil(() => !connection.isConnected, 'the connection to be lost');
      clearInterval(cutting);
      await waitUntil(() => coordinator.transports.length === 2, 'a second connection');
      expect(coordinator.transports).toEqual(['polling', 'polling']);
      const changes = said.filter((line) => line.startsWith('{"transport":"websocket"'));
      expect(changes.slice(0, 2)).toEqual([
        '{"transport":"websocket","next":"websocket"}',
        '{"transport":"websocket","next":"polling"}',
      ]);
    },
  );

  test('stays shut where websocket alone is asked for, and says so', async () => {
    const coordinator = await startCoordinator();
    const proxy = await openProxy({ websockets: 'refuse' });
    const choice = proxyChoice(proxy.url(), {});
    connect(coordinator, { proxy: choice, transports: ['websocket'] });
    await waitUntil(() => proxy.tunnels.length >= 10, 'five attempts');
    expect(coordinator.transports).toEqual([]);
    expect((await refusal()).message).toContain('melo doctor');
  });
});

describe('a link that died without a word', () => {
  test.each(['websocket', 'polling'] as const)(
    'over %s is found by its silence and made again',
    async (transport) => {
      const coordinator = await startCoordinator();
      const line = await FaultProxy.open({ upstreamPort: coordinator.port, seed: 'link' });
      endings.push(() => line.close());
      const alive = setInterval(() => coordinator.announce(1), 50);
      endings.push(async () => clearInterval(alive));
      const silence = { silenceMaxMs: 1000, watchIntervalMs: 50, transports: [transport] };
      const connection = connect(coordinator, { url: line.url, ...silence });
      await connection.whenConnected();
      line.halfOpenAll();
      line.faults = { halfOpenAfterMs: [0, 0] }; // long polling makes a connection for every request
      const isLost = (): boolean => events.some(({ event }) => event === 'disconnected');
      await waitUntil(isLost, 'the silence to be noticed');
      line.faults = {};
      await connection.whenConnected();
      await expectUploads(coordinator, connection);
      expect(events.find(({ event }) => event === 'disconnected')).toMatchObject({
        reason: 'silence',
      });
    },
  );
});

describe('a machine that slept', () => {
  /** The system's clocks, and wall time set forward. */
  const clock = { skewMs: 0, ...systemClock, wallTimeMs: () => Date.now() + clock.skewMs };
  const slow = {
    clock,
    watchIntervalMs: 20,
    backoff: { minimumMs: 3_600_000, maximumMs: 3_600_000 },
  };

  test('connects again at once, without the wait', async () => {
    const coordinator = await startCoordinator();
    const connection = connect(coordinator, slow);
    await connection.whenConnected();
    clock.skewMs += 3_600_000;
    await waitUntil(() => coordinator.transports.length === 2, 'the next connection');
    await connection.whenConnected();
    expect(events.map((event) => (event.event === 'disconnected' ? event.reason : ''))).toContain(
      'sleep',
    );
  });

  test('ends a wait that it slept through', async () => {
    const coordinator = await startCoordinator();
    coordinator.refuseWith = 'RATE_LIMITED'; // which passes with time
    const connection = connect(coordinator, slow);
    const { code, retryInMs } = await refusal();
    expect(code).toBe('RATE_LIMITED');
    expect(retryInMs).toBeGreaterThanOrEqual(1_800_000);
    coordinator.refuseWith = null;
    await sleep(100); // in which it does not try again
    expect(coordinator.presentedNonces).toHaveLength(1);
    clock.skewMs += 3_600_000;
    await connection.whenConnected();
  });

  test('a clock set back changes nothing', async () => {
    const coordinator = await startCoordinator();
    const connection = connect(coordinator, slow);
    await connection.whenConnected();
    clock.skewMs -= 86_400_000;
    await sleep(200);
    await expectUploads(coordinator, connection);
    expect(coordinator.transports).toHaveLength(1);
  });
});

describe('melo doctor', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'melo-doctor-link-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function findings(coordinator: FakeCoordinator, connection: string) {
    await ensureSiteKeys(join(directory, 'data'));
    await storeCoordinator(join(directory, 'data'), {
      version: 1,
      url: coordinator.url,
      federation: coordinator.federation,
      site,
      signingPublicKey: toHex(coordinator.signing.publicKey),
      agreementPublicKey: toHex(coordinator.agreement.publicKey),
    });
    const text = `dataDirectory: data\nbackbones: [vit]\nconnection: { connectTimeoutMs: 3000, ${connection} }\n`;
    const found = await checkConnection(parseAgentConfig(text, join(directory, 'agent.yaml')));
    expect(JSON.stringify(found)).not.toContain('hunter2');
    return found.map(({ check, status, message }) => [`${check} ${status}`, message]);
  }

  test('says that every way is open, through the proxy too, and disturbs no connection', async () => {
    const coordinator = await startCoordinator();
    const proxy = await openProxy({ credentials: 'a:hunter2' });
    const connection = connect(coordinator);
    await connection.whenConnected();
    const found = await findings(coordinator, `proxy: '${proxy.url('a:hunter2')}'`);
    expect(found.map(([status]) => status)).toEqual([
      'coordinator ok',
      'websocket ok',
      'polling ok',
    ]);
    expect(found[0]?.[1]).toContain(`through the proxy ${proxy.url()}`);
    expect(coordinator.transports).toHaveLength(1);
    expect(connection.isConnected).toBe(true);
  });

  test('says that polling works where websockets do not, and what saves the failures', async () => {
    const coordinator = await startCoordinator();
    const proxy = await openProxy({ websockets: 'refuse' });
    const found = await findings(coordinator, `proxy: '${proxy.url()}'`);
    expect(found.map(([status]) => status)).toEqual([
      ...['coordinator ok', 'websocket warning', 'polling ok'],
    ]);
    expect(found[1]?.[1]).toContain('403');
    expect(found[1]?.[1]).toContain('connection.transports: [polling]');
    const forced = await findings(coordinator, `proxy: '${proxy.url()}', transports: [websocket]`);
    expect(forced.map(([status]) => status)).toEqual([
      ...['coordinator ok', 'websocket failed', 'polling ok'],
    ]);
  });

  test('says that the proxy refuses, and that the way without it is open', async () => {
    const coordinator = await startCoordinator();
    const proxy = await openProxy({ credentials: 'a:hunter2' });
    const found = await findings(coordinator, `proxy: '${proxy.url()}'`);
    expect(found).toEqual([
      ['coordinator failed', expect.stringContaining('connection.proxy: none')],
    ]);
  });
});
