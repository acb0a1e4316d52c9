import { answerStatus, Receiver } from '../testing/receiver.ts';
import { post } from './post.ts';

let receiver: Receiver;
beforeAll(async () => {
  receiver = await Receiver.start();
});
afterAll(() => receiver.stop());
beforeEach(() => {
  receiver.received.length = 0;
});

const request = { headers: { 'webhook-id': 'msg_1' }, body: '{"kind":"test"}' };
const send = (limits: { timeoutMs?: number; signal?: AbortSignal } = {}, url = receiver.url) =>
  post(url, request, { timeoutMs: 5000, signal: new AbortController().signal, ...limits });

describe('one attempt', () => {
  test('posts the body as it is, with its headers', async () => {
    receiver.answer = answerStatus(200);
    expect(await send()).toEqual({ isTaken: true, outcome: '200' });
    expect(receiver.received).toMatchObject([
      {
        ...{ method: 'POST', body: request.body },
        headers: { 'content-type': 'application/json', 'webhook-id': 'msg_1' },
      },
    ]);
  });

  test.each([400, 401, 404, 429, 500, 503])('is refused by %d', async (status) => {
    receiver.answer = answerStatus(status);
    expect(await send()).toEqual({ isTaken: false, outcome: String(status) });
  });

  test.each([301, 302, 303, 307, 308])('follows no redirect: %d', async (status) => {
    receiver.answer = answerStatus(status, { location: `${receiver.url}/elsewhere` });
    expect(await send()).toEqual({ isTaken: false, outcome: String(status) });
    expect(receiver.received).toHaveLength(1);
  });

  test('waits no longer than its time for an address that hangs', async () => {
    receiver.answer = () => undefined;
    expect(await send({ timeoutMs: 50 })).toEqual({ isTaken: false, outcome: 'timeout' });
  });

  test('reads nothing of an answer without an end', async () => {
    const cut = new Promise((closed) => {
      receiver.answer = (response) => {
        response.on('close', () => closed(response.writableFinished));
        response.writeHead(200);
        const write = (): void => {
          while (response.write('x'.repeat(65_536))); // as much as the other side takes
        };
        response.on('drain', write);
        write();
      };
    });
    expect(await send()).toEqual({ isTaken: true, outcome: '200' });
    expect(await cut).toBe(false);
  });

  test('takes no head of an answer that is larger than a head may be', async () => {
    receiver.answer = answerStatus(200, { 'x-long': 'x'.repeat(100_000) });
    expect(await send()).toEqual({ isTaken: false, outcome: 'unreachable' });
  });

  test('says so where nobody listens', async () => {
    const other = await Receiver.start();
    const { url } = other;
    await other.stop();
    expect(await send({}, url)).toEqual({ isTaken: false, outcome: 'unreachable' });
  });

  test('comes to nothing where it is given up', async () => {
    receiver.answer = () => undefined;
    const stopping = new AbortController();
    const attempt = send({ signal: stopping.signal });
    stopping.abort();
    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' });
  });
});
