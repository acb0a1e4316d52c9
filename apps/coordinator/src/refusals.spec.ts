import { z } from 'zod';
import { io, type Socket } from 'socket.io-client';
import { decodeAdapterFile, encodeUpdate } from '#core/adapter';
import { emptyScoreReport } from '#core/evaluation';
import { limits, siteCommands } from '#core/protocol';
import { roundDetailSchema, roundViewSchema } from './rounds/rounds.contract.ts';
import { evaluationRoutes } from './evaluation/evaluation.contract.ts';
import { FakeSite, layoutOf, type SealedForRound } from './testing/fake-site.ts';
import { AheadClock } from './testing/hand-clock.ts';
import { Harness } from './testing/harness.ts';
import { siteViewSchema } from './sites/sites.contract.ts';
import { taskRoutes } from './tasks/tasks.contract.ts';

const names = ['north', 'south', 'west'];
const hourMs = 3_600_000;

describe('what is refused, by name, while the other sites go on', () => {
  let harness: Harness;
  const clock = new AheadClock();
  let taskCount = 0;
  beforeAll(async () => {
    harness = await Harness.start({ clock });
    for (const name of names) await harness.join(name);
  });
  afterAll(() => harness.stop());
  // A site pulls three rounds at a time, so what one test leaves open would hide the rounds of the next.
  afterEach(async () => {
    const { tasks } = taskRoutes.list.response.parse(await harness.request('GET', '/v1/tasks'));
    for (const { task, status } of tasks) {
      if (status === 'running') await harness.request('POST', `/v1/tasks/${task}/cancel`);
    }
  });

  const site = (name: string): FakeSite => {
    const found = harness.sites.get(name);
    if (found === undefined) throw new Error(`no site ${name}`);
    return found;
  };
  const newTask = async (change: Parameters<Harness['createTask']>[0] = {}): Promise<string> => {
    const { task } = await harness.createTask({
      task: `task-${++taskCount}`,
      rounds: 1,
      ...change,
    });
    return task;
  };
  /** Accept in the name of a site and return what it needs to seal. */
  const accepted = async (name: string, task: string) => {
    const { assignment, open } = await site(name).assignment(task);
    const { payload } = assignment.open;
    await site(name).ask('round:accept', { decision: site(name).decision(open, payload) });
    return { open, payload, layout: layoutOf(open) };
  };
  const memberOf = async (task: string, name: string) => {
    const path = `/v1/tasks/${task}/rounds/1`;
    const detail = roundDetailSchema.parse(await harness.request('GET', path));
    return detail.members.find((member) => member.site === name);
  };
  const beginRequest = ({ uploadId, ciphertext, manifest }: SealedForRound) => ({
    uploadId,
    bytes: ciphertext.length,
    manifest,
  });

  describe('at the handshake', () => {
    const refusedConnection = async (change: Record<string, unknown>, auth?: object) => {
      const intruder = new FakeSite('north', harness.coordinator.url);
      const { data } = await intruder
        .connect({ ...(auth ?? (await site('north').auth())), ...change })
        .then(
          () => ({ data: { code: 'CONNECTED' } }),
          (error: unknown) => z.object({ data: z.unknown() }).parse(error),
        );
      return data;
    };

    test.each([
      ['another protocol version', { protocol: 'melo/2' }, 'PROTOCOL_VERSION_MISMATCH'],
      ['a wrong signature', { signature: '00'.repeat(64) }, 'SIGNATURE_INVALID'],
      ['an unknown nonce', { nonce: '00'.repeat(32) }, 'NONCE_UNKNOWN'],
      ['an unknown site', { site: 'nobody' }, 'SITE_NOT_ENROLLED'],
      ['the name of another site', { site: 'south' }, 'SIGNATURE_INVALID'],
      ['a field too many', { admin: true }, 'MESSAGE_INVALID'],
    ])('%s', async (_name, change, code) => {
      expect(await refusedConnection(change)).toMatchObject({ code });
    });

    test('names both versions', async () => {
      const data = await refusedConnection({ protocol: 'melo/2' });
      expect(JSON.stringify(data)).toMatch(/melo\/1.*melo\/2/);
    });

    test('a replayed nonce, whose first use failed', async () => {
      const auth = await site('north').auth();
      await refusedConnection({ signature: '00'.repeat(64) }, auth);
      expect(await refusedConnection({}, auth)).toMatchObject({ code: 'NONCE_UNKNOWN' });
    });

    /** Connect with a signature that does not verify and send every event, in the way given. */
    const sendUnauthenticated = async (send: (socket: Socket, event: string) => void) => {
      const before = await harness.request('GET', '/v1/sites/north');
      const auth = { ...(await site('north').auth()), signature: '00'.repeat(64) };
      const socket = io(`${harness.coordinator.url}/sites`, {
        transports: ['websocket'],
        reconnection: false,
        forceNew: true,
        auth,
      });
      const answers: unknown[] = [];
      socket.onAny((...event: unknown[]) => answers.push(event));
      const ended = new Promise<void>((done) => {
        socket.once('connect_error', () => {
          done();
        });
        socket.io.once('close', () => {
          done();
        });
      });
      for (const event of [...Object.keys(siteCommands), 'anything']) send(socket, event);
      await ended;
      expect(socket.connected).toBe(false);
      socket.close();
      expect(answers).toEqual([]);
      expect(await harness.request('GET', '/v1/sites/north')).toEqual(before);
    };

    test('no event of a socket that did not pass is answered', async () => {
      const answers: unknown[] = [];
      await sendUnauthenticated((socket, event) => {
        socket.emit(event, {}, (answer: unknown) => answers.push(answer));
      });
      expect(answers).toEqual([]);
    });

    test('packets written past the handshake close the connection', async () => {
      await sendUnauthenticated((socket, event) => {
        socket.io.once('open', () => {
          // Engine.io message (4), socket.io event (2), acknowledgement 7.
          socket.io.engine.write(`2/sites,7${JSON.stringify([event, {}])}`);
        });
      });
    });
  });

  test('an event that is no command, and a request of another form, without an echo', async () => {
    const canary = 'MRN-4711';
    const unknown = await site('north').raw('admin:everything', { canary });
    expect(unknown).toMatchObject({ ok: false, code: 'MESSAGE_INVALID' });
    const malformed = await site('north').raw('heartbeat', { phase: canary });
    expect(malformed).toMatchObject({ ok: false, code: 'MESSAGE_INVALID' });
    expect(JSON.stringify([unknown, malformed])).not.toContain(canary);
    expect(await site('north').raw('hello')).toMatchObject({ ok: false, code: 'MESSAGE_INVALID' });
    expect(await site('north').raw('__proto__', {})).toMatchObject({ code: 'MESSAGE_INVALID' });
  });

  test('decisions that do not verify or belong elsewhere', async () => {
    const task = await newTask();
    const { assignment, open } = await site('north').assignment(task);
    const { payload } = assignment.open;
    const north = site('north');
    const code = (change: Record<string, unknown>) =>
      north.refusedCode('round:accept', { decision: north.decision(open, payload, change) });
    const good = north.decision(open, payload);
    const broken = { payload: good.payload, signature: new Uint8Array(64) };
    expect(await north.refusedCode('round:accept', { decision: broken })).toBe('SIGNATURE_INVALID');
    expect(await site('south').refusedCode('round:accept', { decision: good })).toBe(
      'SIGNATURE_INVALID',
    );
    expect(await code({ site: 'south' })).toBe('FORBIDDEN');
    expect(await code({ federation: '00'.repeat(16) })).toBe('MESSAGE_INVALID');
    expect(await code({ attempt: 2 })).toBe('ROUND_NOT_FOUND');
    expect(await code({ roundOpenDigest: '00'.repeat(32) })).toBe('ROUND_STALE');
    expect(await north.refusedCode('round:decline', { decision: good })).toBe('MESSAGE_INVALID');
    const hello = {
      agentVersion: '0.1.0',
      node: 'v22.0.0',
      engines: [],
      backbones: ['00'.repeat(32)],
      memoryBytes: 1,
      cores: 1,
      approvedTasks: [],
    };
    await north.ask('hello', hello);
    expect(await north.refusedCode('round:accept', { decision: good })).toBe('BACKBONE_MISMATCH');
    await north.ask('hello', { ...hello, backbones: [open.backboneFingerprint] });
    expect(await north.ask('round:accept', { decision: good })).toEqual({
      ok: true,
      status: 'accepted',
    });
    expect(await north.ask('round:accept', { decision: good })).toMatchObject({
      status: 'accepted',
    });
    const decline = { decision: 'decline', code: 'TASK_NOT_ALLOWED', reason: 'not here' };
    expect(
      await site('south').ask('round:decline', {
        decision: site('south').decision(open, payload, decline),
      }),
    ).toMatchObject({ status: 'declined' });
    expect(await memberOf(task, 'south')).toMatchObject({
      status: 'declined',
      reason: 'TASK_NOT_ALLOWED: not here',
    });
  });

  test('manifests that do not describe their upload', async () => {
    const task = await newTask();
    const { open, payload } = await accepted('north', task);
    const north = site('north');
    const code = async (change: Parameters<FakeSite['seal']>[3]) => {
      const sealed = north.seal(open, payload, {}, change);
      return north.refusedCode('upload:begin', beginRequest(sealed));
    };
    expect(await code({ layoutHash: '00'.repeat(32) })).toBe('LAYOUT_MISMATCH');
    expect(await code({ ciphertextDigest: '00'.repeat(32) })).toBe('MANIFEST_MISMATCH');
    expect(await code({ ciphertextBytes: 7 })).toBe('MANIFEST_MISMATCH');
    expect(await code({ samples: 1_000_000 })).toBe('MANIFEST_MISMATCH');
    expect(await code({ roundOpenDigest: '00'.repeat(32) })).toBe('ROUND_STALE');
    expect(await code({ attempt: 7 })).toBe('ROUND_NOT_FOUND');
    const big = north.seal(open, payload, { plaintext: new Uint8Array(limits.rangeBytes) });
    expect(await north.refusedCode('upload:begin', beginRequest(big))).toBe('PAYLOAD_TOO_LARGE');
    const unknown = { uploadId: '00'.repeat(32), index: 0, bytes: new Uint8Array(1) };
    expect(await north.refusedCode('upload:range', unknown)).toBe('UPLOAD_UNKNOWN');
  });

  test('ranges that do not fit, and bytes that are not the declared ones', async () => {
    const task = await newTask();
    const { open, payload } = await accepted('north', task);
    const north = site('north');
    const sealed = north.seal(open, payload, {});
    await north.begin(sealed);
    const { uploadId, ciphertext } = sealed;
    const range = (index: number, bytes: Uint8Array) =>
      north.refusedCode('upload:range', { uploadId, index, bytes });
    expect(await north.refusedCode('upload:commit', { uploadId })).toBe('UPLOAD_INCOMPLETE');
    expect(await range(0, ciphertext.slice(1))).toBe('UPLOAD_RANGE_INVALID');
    expect(await range(1, ciphertext)).toBe('UPLOAD_RANGE_INVALID');
    expect(
      await site('south').refusedCode('upload:range', { uploadId, index: 0, bytes: ciphertext }),
    ).toBe('FORBIDDEN');

    const changed = ciphertext.slice().reverse();
    await north.ask('upload:range', { uploadId, index: 0, bytes: changed });
    expect(await range(0, ciphertext)).toBe('UPLOAD_DIGEST_MISMATCH');
    expect(await north.refusedCode('upload:commit', { uploadId })).toBe('UPLOAD_DIGEST_MISMATCH');
    // The mistake happened on the way: the same upload is sent again and taken.
    await north.sendRanges(sealed);
    const taken = await north.ask('upload:commit', { uploadId });
    expect(taken).toEqual({ ok: true, status: 'reported' });
    expect(await north.ask('upload:commit', { uploadId })).toEqual(taken);
    expect(await north.begin(sealed)).toMatchObject({ isCommitted: true });

    const second = north.seal(open, payload, {});
    expect(await north.refusedCode('upload:begin', beginRequest(second))).toBe('UPDATE_DUPLICATE');
  });

  test.each([
    ['a value that is not finite', 'NON_FINITE_UPDATE', (size: number) => new Float32Array(size)],
    ['a tensor that is missing', 'TENSOR_MISSING', null],
    ['bytes that are no safetensors', 'SAFETENSORS_INVALID', new Uint8Array(64)],
  ])('an update with %s; it is rejected for this attempt', async (_name, code, content) => {
    const task = await newTask();
    const { open, payload, layout } = await accepted('north', task);
    const north = site('north');
    let plaintext: Uint8Array;
    if (content instanceof Uint8Array) plaintext = content;
    else {
      const trainedTensors = content === null ? open.trainedTensors.slice(1) : open.trainedTensors;
      plaintext = encodeUpdate({ layout, trainedTensors, delta: new Float32Array(layout.size) });
      if (content !== null) {
        // The encoder refuses NaN itself, so it is written over the last value.
        new DataView(plaintext.buffer, plaintext.byteOffset + plaintext.length - 4).setFloat32(
          0,
          NaN,
          true,
        );
      }
    }
    const sealed = north.seal(open, payload, { plaintext });
    await north.begin(sealed);
    await north.sendRanges(sealed);
    const { uploadId } = sealed;
    expect(await north.refusedCode('upload:commit', { uploadId })).toBe(code);
    expect(await north.refusedCode('upload:commit', { uploadId })).toBe(code);
    expect(await memberOf(task, 'north')).toMatchObject({
      status: 'rejected',
      reason: expect.stringContaining(code),
    });
    // The others go on, and the round is published without the one that was rejected.
    await site('south').takePart(task, new Float32Array(layout.size));
    await site('west').takePart(task, new Float32Array(layout.size));
    await harness.untilVersion(task, 1);
  });

  test('an update sealed for another round', async () => {
    const [first, second] = [await newTask(), await newTask()];
    const other = await accepted('north', first);
    const { open, payload } = await accepted('north', second);
    const north = site('north');
    const foreign = north.seal(other.open, other.payload, {});
    const sealed = north.seal(
      open,
      payload,
      {},
      {
        ciphertextDigest: foreign.uploadId,
        ciphertextBytes: foreign.ciphertext.length,
        ephemeralPublicKey: Buffer.from(foreign.ciphertext.slice(0, 32)).toString('hex'),
      },
    );
    const upload = { ...foreign, manifest: sealed.manifest };
    await north.begin(upload);
    await north.sendRanges(upload);
    const { uploadId } = upload;
    expect(await north.refusedCode('upload:commit', { uploadId })).toBe('SEAL_INVALID');
  });

  test('a second update while the first is on its way', async () => {
    const task = await newTask();
    const { open, payload } = await accepted('north', task);
    const north = site('north');
    await north.begin(north.seal(open, payload, {}));
    const second = north.seal(open, payload, {});
    expect(await north.refusedCode('upload:begin', beginRequest(second))).toBe('UPDATE_DUPLICATE');
  });

  test('what comes after the deadline is late, outside the aggregate, and shown', async () => {
    const task = await newTask({ rules: { quorumSites: 2, deadlineMs: hourMs } });
    const { open, payload, layout } = await accepted('north', task);
    const north = site('north');
    const sealed = north.seal(open, payload, { delta: new Float32Array(layout.size).fill(9) });
    await north.begin(sealed);
    await site('south').takePart(task, new Float32Array(layout.size).fill(1));
    await site('west').takePart(task, new Float32Array(layout.size).fill(3));
    clock.pass(hourMs);
    await harness.untilVersion(task, 1);
    expect(await memberOf(task, 'north')).toMatchObject({ status: 'lost' });
    await north.sendRanges(sealed);
    expect(await north.ask('upload:commit', { uploadId: sealed.uploadId })).toEqual({
      ok: true,
      status: 'late',
    });
    expect(await memberOf(task, 'north')).toMatchObject({ status: 'late' });
    const { values } = decodeAdapterFile(await harness.download(task, 1));
    expect(values[layout.size - 1]).toBeCloseTo(2, 6);
  });

  test('blobs of tasks that the site is no member of', async () => {
    const task = await newTask({ members: ['south', 'west'] });
    const { assignment } = await site('south').assignment(task);
    const request = { digest: assignment.adapter.ciphertextDigest, offset: 0, length: 100 };
    expect((await site('south').ask('blob:get', request)).bytes).toHaveLength(100);
    expect(await site('north').refusedCode('blob:get', request)).toBe('NOT_FOUND');
    const behind = { ...request, offset: limits.updateBytesMax };
    expect(await site('south').refusedCode('blob:get', behind)).toBe('REQUEST_INVALID');
  });

  test('evaluations of other versions; the good ones are pooled', async () => {
    const task = await newTask();
    const { open } = await site('north').assignment(task);
    const report = emptyScoreReport(2);
    const payload = (name: string, change: object = {}) => ({
      ...{ type: 'evaluation' as const, protocol: open.protocol, federation: open.federation },
      ...{ task, site: name, subject: 'global' as const, version: 0, round: null },
      ...{ adapterDigest: open.globalAdapterDigest, heldOutImages: 4, report },
      ...change,
    });
    const north = site('north');
    const code = (change: object) =>
      north.refusedCode('evaluation', { evaluation: north.evaluation(payload('north', change)) });
    expect(await code({ adapterDigest: '00'.repeat(32) })).toBe('DIGEST_MISMATCH');
    expect(await code({ version: 5 })).toBe('NOT_FOUND');
    expect(await code({ report: emptyScoreReport(3) })).toBe('MESSAGE_INVALID');
    expect(await code({ report: emptyScoreReport(2, 'sigmoid') })).toBe('MESSAGE_INVALID');
    expect(await code({ report: { ...report, count: 1 } })).toBe('MESSAGE_INVALID');
    expect(await code({ subject: 'local', round: 2 })).toBe('REQUEST_INVALID');
    for (const name of names) {
      const evaluation = site(name).evaluation(payload(name));
      await site(name).ask('evaluation', { evaluation });
      await site(name).ask('evaluation', { evaluation });
    }
    const { evaluations } = evaluationRoutes.list.response.parse(
      await harness.request('GET', `/v1/tasks/${task}/evaluations`),
    );
    expect(evaluations).toHaveLength(1);
    expect(evaluations[0]?.sites.map((each) => each.site)).toEqual(names);
    expect(evaluations[0]?.pooled).toMatchObject({ count: 0, macroAuc: null });
  });

  test('a round that is abandoned three times fails its task, and a resumption goes on', async () => {
    const task = await newTask();
    for (const attempt of [1, 2, 3]) {
      await harness.until(
        () => harness.task(task),
        ({ currentRound }) => currentRound?.attempt === attempt,
      );
      roundViewSchema.parse(
        await harness.request('POST', `/v1/tasks/${task}/rounds/1/abandon`, { reason: 'a test' }),
      );
    }
    const failed = await harness.until(
      () => harness.task(task),
      ({ status }) => status === 'failed',
    );
    expect(failed.reason).toContain('a test');
    await harness.request('POST', `/v1/tasks/${task}/resume`);
    expect((await harness.task(task)).currentRound).toMatchObject({
      attempt: 4,
      phase: 'inviting',
    });
    await harness.request('POST', `/v1/tasks/${task}/cancel`);
    expect((await harness.task(task)).currentRound).toMatchObject({ phase: 'abandoned' });
  });

  test('a revoked site: its socket is cut, and open rounds say so', async () => {
    const gone = await harness.join('gone');
    const task = await newTask({ members: ['gone', 'north', 'south'] });
    const closed = new Promise<string>((done) => gone.socket?.once('disconnect', done));
    await gone.assignment(task);
    await harness.request('POST', '/v1/sites/gone/revoke', { reason: 'it left' });
    expect(await closed).toBe('io server disconnect');
    expect(await memberOf(task, 'gone')).toMatchObject({
      status: 'withdrawn',
      reason: 'the site was revoked: it left',
    });
    await expect(gone.connect()).rejects.toMatchObject({ data: { code: 'SITE_REVOKED' } });
    const view = siteViewSchema.parse(await harness.request('GET', '/v1/sites/gone'));
    expect(view).toMatchObject({ status: 'revoked', isConnected: false });
  });
});
