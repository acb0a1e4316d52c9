/** The connection: fresh nonces, the pinned coordinator, refusals that are said once, commands that are acknowledged. */
import { fromHex } from '#core/bytes';
import { generateSigningKeyPair } from '#core/crypto';
import { siteIdSchema } from '#core/protocol';
import { silentLogger, type AgentEvent } from '../common/events.ts';
import { FakeCoordinator, refusal } from '../testing/fake-coordinator.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { CoordinatorConnection, type ConnectionOptions } from './connection.ts';
import { fetchNonce } from './handshake.ts';
import { checkCoordinatorUrl } from './http.ts';

const site = siteIdSchema.parse('north');
const siteKeys = generateSigningKeyPair();
let coordinator: FakeCoordinator;
let events: AgentEvent[];
let connection: CoordinatorConnection | null;

function connect(changes: Partial<ConnectionOptions> = {}): CoordinatorConnection {
  connection = new CoordinatorConnection({
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
    logger: silentLogger,
    ...changes,
  });
  connection.start();
  return connection;
}

beforeEach(async () => {
  coordinator = new FakeCoordinator();
  coordinator.sites.set(site, siteKeys.publicKey);
  events = [];
  connection = null;
  await coordinator.start();
});

afterEach(async () => {
  await connection?.stop();
  await coordinator.stop();
});

describe('the handshake', () => {
  test('every attempt presents a nonce of its own, also when the link breaks again and again', async () => {
    const made = connect();
    for (let round = 1; round <= 4; round++) {
      await waitUntil(() => coordinator.presentedNonces.length >= round, `connection ${round}`);
      await made.whenConnected();
      coordinator.cut();
      await waitUntil(() => !made.isConnected, 'disconnection');
    }
    await made.whenConnected();
    expect(new Set(coordinator.presentedNonces).size).toBe(coordinator.presentedNonces.length);
    expect(coordinator.presentedNonces.length).toBeGreaterThanOrEqual(5);
  });

  test('a refused attempt does not use its nonce again', async () => {
    coordinator.refuseWith = 'NONCE_UNKNOWN';
    const made = connect();
    await waitUntil(() => coordinator.presentedNonces.length >= 3, 'three attempts');
    coordinator.refuseWith = null;
    await made.whenConnected();
    expect(new Set(coordinator.presentedNonces).size).toBe(coordinator.presentedNonces.length);
  });

  test('an answer by another key is refused, and so is an old answer', async () => {
    const http = { timeoutMs: 20_000, certificateAuthority: null };
    await expect(fetchNonce(coordinator.url, '00'.repeat(32), http)).rejects.toMatchObject({
      code: 'COORDINATOR_KEY_MISMATCH',
    });
    coordinator.echoInstead = '11'.repeat(32);
    const pinned = coordinator.pinnedFingerprint;
    await expect(fetchNonce(coordinator.url, pinned, http)).rejects.toMatchObject({
      code: 'COORDINATOR_KEY_MISMATCH',
    });
  });

  test('the connection is never made where another key answers', async () => {
    connect({ coordinatorPublicKey: generateSigningKeyPair().publicKey });
    await waitUntil(() => coordinator.issuedNonces.length >= 2, 'two attempts');
    expect(coordinator.presentedNonces).toEqual([]);
    const refused = events.filter((event) => event.event === 'refused');
    expect(refused).toEqual([expect.objectContaining({ code: 'COORDINATOR_KEY_MISMATCH' })]);
  });
});

describe('refusals', () => {
  test('one that time alone does not mend is said once and tried on', async () => {
    coordinator.refuseWith = 'SITE_PENDING';
    const made = connect();
    await waitUntil(() => coordinator.presentedNonces.length >= 4, 'four attempts');
    expect(events.filter((event) => event.event === 'refused')).toHaveLength(1);
    coordinator.refuseWith = null;
    await made.whenConnected();
  });

  test('plain http is for this machine alone', () => {
    expect(checkCoordinatorUrl('https://coordinator.example/')).toBe('https://coordinator.example');
    for (const url of [
      'http://127.0.0.1:1',
      'http://localhost:1',
      'http://[::1]:1',
      'http://127.8.8.8',
    ])
      expect(checkCoordinatorUrl(url)).toBe(url);
    for (const url of ['http://10.0.0.1', 'http://coordinator.example', 'http://127.0.0.1.example'])
      expect(() => checkCoordinatorUrl(url)).toThrow('expected https');
  });
});

describe('commands', () => {
  test('an answer is parsed; a refusal carries the code of the coordinator', async () => {
    const made = connect();
    await made.whenConnected();
    const request = { phase: 'idle', task: null, round: null, progress: null, load: 0 } as const;
    await expect(made.command('heartbeat', request)).resolves.toEqual({
      ok: true,
      serverTimeMs: 1,
    });
    coordinator.handlers.set('heartbeat', () => refusal('RATE_LIMITED', true));
    await expect(made.command('heartbeat', request)).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      isRetryable: true,
    });
    coordinator.handlers.set('heartbeat', () => ({ ok: true, serverTimeMs: 'soon' }));
    await expect(made.command('heartbeat', request)).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
    });
  });

  test('a command without an acknowledgement fails when its time is up', async () => {
    coordinator.handlers.set('heartbeat', () => new Promise(() => undefined));
    const made = connect({ acknowledgementTimeoutMs: 300 });
    await made.whenConnected();
    const request = { phase: 'idle', task: null, round: null, progress: null, load: 0 } as const;
    await expect(made.command('heartbeat', request)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('bytes that leave are counted, binary as it is', async () => {
    const made = connect();
    await made.whenConnected();
    const before = made.bytesSent;
    coordinator.handlers.set('upload:range', () => ({ ok: true }));
    await made.command('upload:range', {
      uploadId: 'ab'.repeat(32),
      index: 0,
      bytes: fromHex('00'.repeat(1000)),
    });
    expect(made.bytesSent - before).toBeGreaterThan(1000);
    expect(made.bytesSent - before).toBeLessThan(1200);
  });

  test('announcements reach the agent', async () => {
    const made = connect();
    const reasons: string[] = [];
    made.onChange = (reason) => reasons.push(reason);
    await made.whenConnected();
    coordinator.announce(3);
    await waitUntil(() => reasons.includes('state'), 'announcement');
  });
});
