/** Long answers of a GET are compressed, others are not. */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import express from 'express';
import { compressAnswers } from './compressed-answers.ts';

const long = { list: Array.from({ length: 500 }, (_, at) => ({ site: `site-${at}` })) };
let server: Server;

beforeAll(async () => {
  const app = express();
  app.use(compressAnswers);
  app.all('/long', (_request, response) => void response.status(207).json(long));
  app.all('/short', (_request, response) => void response.json({ ok: true }));
  server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.close();
});

async function ask(path: string, method = 'GET', encodings = 'gzip, br') {
  const { port } = server.address() as AddressInfo;
  const headers = { 'accept-encoding': encodings };
  const asked = request({ host: '127.0.0.1', port, path, method, headers }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return { response, body: Buffer.concat(pieces) };
}

test('a long answer of a GET is compressed and stays what it is', async () => {
  const { response, body } = await ask('/long');
  expect(response.statusCode).toBe(207);
  expect(response.headers['content-encoding']).toBe('gzip');
  expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(response.headers.vary).toBe('Accept-Encoding');
  expect(response.headers['content-length']).toBe(String(body.length));
  expect(JSON.parse(gunzipSync(body).toString('utf8'))).toEqual(long);
  expect(body.length).toBeLessThan(JSON.stringify(long).length / 4);
});

test.each([
  ['a short one', '/short', 'GET', 'gzip'],
  ["a command's, which may carry a secret", '/long', 'POST', 'gzip'],
  ['one for a caller that does not take it', '/long', 'GET', 'identity'],
  ['one for a caller that refuses it', '/long', 'GET', 'gzip;q=0, identity'],
])('%s is sent as it is', async (_name, path, method, encodings) => {
  const { response, body } = await ask(path, method, encodings);
  expect(response.headers['content-encoding']).toBeUndefined();
  expect(JSON.parse(body.toString('utf8'))).toEqual(path === '/long' ? long : { ok: true });
});
