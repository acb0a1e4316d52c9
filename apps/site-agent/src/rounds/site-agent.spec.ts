/** Whole rounds against a fake coordinator over a real socket: the straight path, the policy, every point of a kill. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '#core/bytes';
import {
  decisionSchema,
  decodePayload,
  evaluationPayloadSchema,
  siteCommands,
  siteIdSchema,
  type Decision,
  type EvaluationPayload,
  type RoundOpen,
} from '#core/protocol';
import { signDomains, verifyPayload } from '#core/crypto';
import { UnavailableError } from '#core/errors';
import { silentLogger, type AgentEvent } from '../common/events.ts';
import { parseAgentConfig } from '../config/agent-config.ts';
import { ensureSiteKeys, type SiteKeys } from '../identity/identity.ts';
import { FakeCoordinator } from '../testing/fake-coordinator.ts';
import { fakeDefinition } from '../testing/fake-definition.ts';
import { FakeTask } from '../testing/fake-task.ts';
import { FakeUploads } from '../testing/fake-uploads.ts';
import { InProcessTrainer } from '../testing/in-process-trainer.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { CoordinatorConnection } from '../transport/connection.ts';
import type { TrainerMessage } from '../trainer/messages.ts';
import { SiteAgent } from './site-agent.ts';

const site = siteIdSchema.parse('north');
const fingerprint = 'ab'.repeat(32);
let directory: string;
let keys: SiteKeys;
let coordinator: FakeCoordinator;
let uploads: FakeUploads;
let task: FakeTask;
let trainer: InProcessTrainer;
let events: AgentEvent[];
let running: { readonly agent: SiteAgent; readonly connection: CoordinatorConnection } | null;

async function startAgent(tasks = '{ lung: { images: images } }'): Promise<void> {
  const config = parseAgentConfig(
    `dataDirectory: data\nbackbones: [vit]\ntasks: ${tasks}\nengine: { threads: 1 }\n` +
      'connection: { backoffMinimumMs: 5, backoffMaximumMs: 20, slowRetryMs: 50, heartbeatIntervalMs: 1000 }\n' +
      'trainer: { checkpointIntervalMs: 1, longRetryMs: 30 }\n',
    join(directory, 'agent.yaml'),
  );
  const connection = new CoordinatorConnection({
    url: coordinator.url,
    federation: coordinator.federation,
    site,
    signingSecretKey: keys.signing.secretKey,
    coordinatorPublicKey: coordinator.signing.publicKey,
    certificateAuthority: null,
    acknowledgementTimeoutMs: 5000,
    backoff: { minimumMs: 5, maximumMs: 20 },
    slowRetryMs: 50,
    transports: ['websocket'],
    emit: () => undefined,
    logger: silentLogger,
  });
  const agent = await SiteAgent.create({
    config,
    keys,
    coordinator: {
      version: 1,
      url: coordinator.url,
      federation: coordinator.federation,
      site,
      signingPublicKey: toHex(coordinator.signing.publicKey),
      agreementPublicKey: toHex(coordinator.agreement.publicKey),
    },
    backbones: [
      { path: '/vit', name: 'tiny', fingerprint, dimension: 8, blocks: 1, imageSize: 16 },
    ],
    connection,
    trainer,
    emit: (event) => events.push(event),
    logger: silentLogger,
  });
  connection.onChange = (reason) => {
    if (reason === 'connected') agent.onConnected();
    else agent.synchronise();
  };
  connection.start();
  running = { agent, connection };
}

async function stopAgent(): Promise<void> {
  await Promise.all([running?.agent.stop(), running?.connection.stop()]);
  running = null;
}

function decisions(): Decision[] {
  const requests = [
    ...coordinator.requestsOf('round:accept'),
    ...coordinator.requestsOf('round:decline'),
  ];
  return requests.map((raw) => {
    const { decision } = siteCommands['round:accept'].request.parse(raw);
    const payload = verifyPayload(signDomains.decision, decision, keys.signing.publicKey);
    return decodePayload(decisionSchema, payload, 'decision');
  });
}

function evaluations(): EvaluationPayload[] {
  return coordinator.requestsOf('evaluation').map((raw) => {
    const { evaluation } = siteCommands.evaluation.request.parse(raw);
    const payload = verifyPayload(signDomains.evaluation, evaluation, keys.signing.publicKey);
    return decodePayload(evaluationPayloadSchema, payload, 'evaluation');
  });
}

const subjects = (): string[] =>
  evaluations().map(({ subject, version }) => `${subject} ${version}`);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-agent-'));
  for (const name of ['normal', 'pneumonia']) {
    await mkdir(join(directory, 'images', name), { recursive: true });
    for (let index = 0; index < 25; index++)
      await writeFile(join(directory, 'images', name, `${index}.png`), `${name} ${index}`);
  }
  keys = await ensureSiteKeys(join(directory, 'data'));
  coordinator = new FakeCoordinator();
  coordinator.sites.set(site, keys.signing.publicKey);
  uploads = new FakeUploads(coordinator);
  const definition = fakeDefinition(fingerprint, ['north', 'south']);
  task = new FakeTask(coordinator, uploads, { definition, siteKeys: keys });
  trainer = new InProcessTrainer();
  events = [];
  running = null;
  await coordinator.start();
});

afterEach(async () => {
  await stopAgent();
  await coordinator.stop();
  await rm(directory, { recursive: true, force: true });
});

describe('the straight path', () => {
  test('two rounds: accept, train, report, seal, upload, keep each version, evaluate the last', async () => {
    task.openRound();
    await startAgent();
    await waitUntil(() => task.updates.length === 1, 'first update');
    task.publish(false);
    task.openRound();
    await waitUntil(() => task.updates.length === 2, 'second update');
    task.publish(true);
    await waitUntil(() => subjects().includes('global 2'), 'last evaluation');
    await waitUntil(() => evaluations().length === 5, 'all evaluations');

    expect(subjects().sort()).toEqual(['global 0', 'global 1', 'global 2', 'local 0', 'local 1']);
    expect(decisions().map(({ decision, round }) => [decision, round])).toEqual([
      ['accept', 1],
      ['accept', 2],
    ]);
    const { training, heldOut } = countImages();
    expect(decisions()[0]).toMatchObject({ samples: training });
    for (const { heldOutImages, report } of evaluations()) {
      expect(heldOutImages).toBe(heldOut);
      expect(report.count).toBe(heldOut);
    }
    const path = join(directory, 'data', 'adapters', 'lung', 'version-2.safetensors');
    expect((await readFile(path)).length).toBeGreaterThan(0);
    const names = events.map(({ event }) => event);
    for (const name of ['round-accepted', 'training', 'upload', 'uploaded', 'version', 'waiting'])
      expect(names).toContain(name);
    const hello = siteCommands.hello.request.parse(coordinator.requestsOf('hello')[0]);
    expect(hello).toMatchObject({ approvedTasks: ['lung'], backbones: [fingerprint] });
  });

  test('the first heartbeat of phase training names task and round', async () => {
    task.openRound();
    await startAgent();
    await waitUntil(() => task.updates.length === 1, 'update');
    const beats = coordinator
      .requestsOf('heartbeat')
      .map((raw) => siteCommands.heartbeat.request.parse(raw));
    expect(beats).toContainEqual(
      expect.objectContaining({ phase: 'training', task: 'lung', round: 1 }),
    );
  });

  test('an image that cannot be read is left out, counted, and named on this machine alone', async () => {
    await writeFile(join(directory, 'images', 'normal', 'broken-secret.png'), 'x');
    task.openRound();
    await startAgent();
    await waitUntil(() => task.updates.length === 1, 'update');
    const local = await readFile(join(directory, 'data', 'unreadable-images.txt'), 'utf8');
    expect(local).toBe('normal/broken-secret.png\n');
    const sent = JSON.stringify(coordinator.log, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    );
    expect(sent).not.toContain('broken-secret');
  });
});

function countImages(): { training: number; heldOut: number } {
  const [job] = trainer.jobs;
  const last = trainer.messages.findLast(
    (message): message is TrainerMessage & { type: 'progress' } =>
      message.type === 'progress' && message.phase === 'evaluating',
  );
  if (job === undefined || last === undefined) throw new Error('expected a job that evaluated');
  return { training: 50 - last.total, heldOut: last.total };
}

describe('the policy', () => {
  const changes: readonly [string, string, (open: RoundOpen) => RoundOpen][] = [
    [
      'another backbone',
      'BACKBONE_MISMATCH',
      (open) => ({ ...open, backboneFingerprint: 'cd'.repeat(32) }),
    ],
    ['another layout', 'LAYOUT_MISMATCH', (open) => ({ ...open, layoutHash: 'cd'.repeat(32) })],
    [
      'another plan than was signed for',
      'PLAN_INVALID',
      (open) => ({ ...open, planDigest: 'cd'.repeat(32) }),
    ],
    [
      'another preprocessing',
      'PLAN_INVALID',
      (open) => ({ ...open, preprocessingDigest: 'cd'.repeat(32) }),
    ],
    [
      'a version that skips one',
      'VERSION_FORK',
      (open) => ({ ...open, round: 2, globalVersion: 1 }),
    ],
    ['another federation', 'NOT_A_MEMBER', (open) => ({ ...open, federation: 'cd'.repeat(16) })],
    [
      'a tensor that is not there',
      'LAYOUT_MISMATCH',
      (open) => ({ ...open, trainedTensors: ['head.scale'] }),
    ],
  ];
  test.each(changes)(
    '%s is declined with %s and nothing is trained',
    async (_what, code, alter) => {
      task.alter = alter;
      task.openRound();
      await startAgent();
      await waitUntil(() => decisions().length === 1, 'decision');
      expect(decisions()[0]).toMatchObject({ decision: 'decline', code });
      expect(trainer.jobs).toEqual([]);
    },
  );

  test('a task that is not listed is declined', async () => {
    task.openRound();
    await startAgent('{ liver: { images: images } }');
    await waitUntil(() => decisions().length === 1, 'decision');
    expect(decisions()[0]).toMatchObject({ decision: 'decline', code: 'TASK_NOT_ALLOWED' });
  });

  test('trouble with the images declines without naming any of them', async () => {
    await mkdir(join(directory, 'images', 'Patient Smith'));
    await writeFile(join(directory, 'images', 'Patient Smith', 'a.png'), 'a');
    task.openRound();
    await startAgent();
    await waitUntil(() => decisions().length === 1, 'decision');
    expect(decisions()[0]).toMatchObject({ decision: 'decline', code: 'DATASET_UNMAPPED_FOLDER' });
    expect(JSON.stringify(decisions())).not.toContain('Smith');
  });

  test('a RoundOpen that the pinned key did not sign is not answered', async () => {
    const answer = coordinator.handlers.get('round:get');
    coordinator.handlers.set('round:get', async (request, from) => {
      const pulled = siteCommands['round:get'].response.parse(await answer?.(request, from));
      for (const { open } of pulled.assignments) open.signature[0] = (open.signature[0] ?? 0) ^ 1;
      return pulled;
    });
    task.openRound();
    await startAgent();
    await waitUntil(() => coordinator.requestsOf('round:get').length > 0, 'pull');
    await new Promise((wake) => setTimeout(wake, 100));
    expect(decisions()).toEqual([]);
    expect(trainer.jobs).toEqual([]);
  });

  test('a result that does not continue the chain changes nothing, and its next round is declined', async () => {
    task.openRound();
    await startAgent();
    await waitUntil(() => task.updates.length === 1, 'update');
    task.publish(false, 'ee'.repeat(32));
    task.openRound();
    await waitUntil(() => decisions().length === 2, 'second decision');
    expect(decisions()[1]).toMatchObject({ decision: 'decline', code: 'VERSION_FORK' });
    expect(task.updates).toHaveLength(1);
  });
});

/** Run one round without any interruption and return its delta. */
async function deltaWithoutInterruption(): Promise<Float32Array> {
  task.openRound();
  await startAgent();
  await waitUntil(() => task.updates.length === 1, 'update');
  await stopAgent();
  await rm(join(directory, 'data'), { recursive: true });
  const [delta] = task.updates.splice(0);
  if (delta === undefined) throw new Error('expected an update');
  keys = await ensureSiteKeys(join(directory, 'data'));
  coordinator.sites.set(site, keys.signing.publicKey);
  uploads = new FakeUploads(coordinator);
  const { definition } = task;
  task = new FakeTask(coordinator, uploads, { definition, siteKeys: keys });
  trainer = new InProcessTrainer();
  coordinator.log.length = 0;
  return delta;
}

const isFinished =
  (part: string) =>
  (message: TrainerMessage): boolean =>
    message.type === 'finished' && message.part === part;

describe('a kill at any point', () => {
  const points: readonly [string, (message: TrainerMessage) => boolean][] = [
    ['before anything', () => true],
    ['when the global version was evaluated', isFinished('evaluate-global')],
    ['amid training', (m) => m.type === 'progress' && m.phase === 'training' && m.done >= m.total],
    ['when training had ended', isFinished('train')],
    ['when the local adapter was evaluated', isFinished('evaluate-local')],
  ];
  test.each(points)(
    '%s: the next agent goes on and sends the same update',
    async (what, stopsAt) => {
      const expected = await deltaWithoutInterruption();
      const stopped = new Promise<void>((resolve) => (trainer.onStopped = resolve));
      trainer.stopsAt = stopsAt;
      task.openRound();
      await startAgent();
      await stopped;
      await stopAgent();
      expect(task.updates).toEqual([]);
      trainer = new InProcessTrainer();
      await startAgent();
      await waitUntil(() => task.updates.length === 1, 'update');
      expect(task.updates[0]).toEqual(expected);
      const first = trainer.messages.find((m) => m.type === 'progress' && m.phase === 'training');
      if (what === 'amid training') expect(first).toMatchObject({ done: 6 }); // on from the checkpoint
      if (what === 'when training had ended') expect(first).toBeUndefined();
      expect(decisions().filter(({ decision }) => decision === 'decline')).toEqual([]);
    },
  );

  test('with a sealed update in the outbox: it goes out as it is, never sealed or trained again', async () => {
    const begin = coordinator.handlers.get('upload:begin');
    coordinator.handlers.set('upload:begin', () => new Promise(() => undefined));
    task.openRound();
    await startAgent();
    await waitUntil(() => coordinator.requestsOf('upload:begin').length > 0, 'upload');
    await stopAgent();
    if (begin !== undefined) coordinator.handlers.set('upload:begin', begin);
    trainer = new InProcessTrainer();
    await startAgent();
    await waitUntil(() => task.updates.length === 1, 'update');
    const ids = coordinator
      .requestsOf('upload:begin')
      .map((raw) => siteCommands['upload:begin'].request.parse(raw).uploadId);
    expect(new Set(ids).size).toBe(1);
    expect(trainer.jobs).toEqual([]);
  });
});

describe('rounds that end otherwise', () => {
  test('a round that is over is not trained on, and the next attempt is', async () => {
    const stopped = new Promise<void>((resolve) => (trainer.onStopped = resolve));
    trainer.stopsAt = isFinished('train');
    task.openRound(1);
    await startAgent();
    await stopped;
    trainer.stopsAt = () => false;
    task.abandonRound();
    task.openRound(2);
    await waitUntil(() => task.updates.length === 1, 'update of the second attempt');
    const [begin] = coordinator.requestsOf('upload:begin');
    expect(coordinator.requestsOf('upload:begin')).toHaveLength(1);
    expect(begin).toBeDefined();
  });

  test('an update that comes too late is dropped from the outbox, once, and nothing waits', async () => {
    coordinator.handlers.set('upload:begin', () => ({
      ok: false,
      code: 'ROUND_CLOSED',
      message: 'closed',
      retryable: false,
    }));
    task.openRound();
    await startAgent();
    await waitUntil(() => events.some(({ event }) => event === 'round-dropped'), 'drop');
    coordinator.announce(9);
    await new Promise((wake) => setTimeout(wake, 100));
    expect(coordinator.requestsOf('upload:begin')).toHaveLength(1);
    expect(trainer.jobs).toHaveLength(1);
  });

  test('a trainer that fails is told and tried again later', async () => {
    trainer.failure = new UnavailableError('TRAINER_FAILED', 'out of memory');
    task.openRound();
    await startAgent();
    await waitUntil(() => events.some(({ event }) => event === 'trainer-failed'), 'failure');
    trainer.failure = null;
    await waitUntil(() => task.updates.length === 1, 'update');
  });
});
