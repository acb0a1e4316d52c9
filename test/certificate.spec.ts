/** A certificate that is renewed under a coordinator that serves. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { z } from 'zod';
import { readTlsFiles, TlsRenewal } from '../apps/coordinator/src/config/tls-files.ts';
import { makeCertificates, type TestCertificates } from './support/certificates.ts';

const first = makeCertificates('First Authority', ['127.0.0.1']);
const second = makeCertificates('Second Authority', ['127.0.0.1']);

let directory: string;
let server: Server;
let renewal: TlsRenewal;
let said: string[];
let sockets: TLSSocket[];

const write = async ({ cert, key }: Pick<TestCertificates, 'cert' | 'key'>): Promise<void> => {
  await writeFile(join(directory, 'cert.pem'), cert);
  await writeFile(join(directory, 'key.pem'), key);
};

beforeEach(async () => {
  said = [];
  sockets = [];
  directory = await mkdtemp(join(tmpdir(), 'melo-certificate-'));
  await write(first);
  const files = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') };
  const pair = await readTlsFiles(files);
  server = createServer(pair, (_request, response) => response.end('here'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const say = (message: string): void => void said.push(message);
  renewal = new TlsRenewal({ server, files, pair, logger: { info: say, warn: say } });
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await rm(directory, { recursive: true, force: true });
});

/** Connect and trust one authority alone: rejects where the server has a certificate of another. */
async function connectTrusting({ authority }: TestCertificates): Promise<TLSSocket> {
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const socket = connect({ port, host: '127.0.0.1', ca: authority });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}

test('is used by new connections without a restart, and those that stand go on', async () => {
  const standing = await connectTrusting(first);
  await write(second);
  expect(await renewal.look()).toBe(true);
  await connectTrusting(second);
  await expect(connectTrusting(first)).rejects.toThrow();
  standing.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const [answer] = await once(standing, 'data');
  expect(String(answer)).toContain('200 OK');
  expect(said).toEqual(['certificate renewed']);
});

test('whose key is not there yet is left out, said once, until the files change again', async () => {
  await writeFile(join(directory, 'cert.pem'), second.cert);
  expect([await renewal.look(), await renewal.look()]).toEqual([false, false]);
  await connectTrusting(first);
  expect(said).toEqual(['certificate not renewed, the one before stays in use']);
  await write(second);
  expect(await renewal.look()).toBe(true);
  await connectTrusting(second);
});

test('that did not change is no reason to say anything', async () => {
  expect(await renewal.look()).toBe(false);
  expect(said).toEqual([]);
});
