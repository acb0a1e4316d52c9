/** A hub on a port of this machine that can misbehave in every way a download must bear. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the hub misbehaves; everything is well where nothing is set. */
export interface HubFaults {
  /** The connection is cut after so many bytes of the weights, for each entry once. */
  cuts: number[];
  /** The programming interface answers 404, as on a mirror of files alone. */
  isMirror: boolean;
  /** Ranges are ignored: the whole file comes with status 200. */
  ignoresRanges: boolean;
  /** One byte of the weights is another. */
  isDamaged: boolean;
  /** Bytes of the weights end early, and the length that is announced with them. */
  truncatedAt: number | null;
  /** Statuses that the next requests for files get instead. */
  statuses: number[];
  /** Without this token everything is refused. */
  token: string | null;
  /** Every file comes from here instead. */
  redirectTo: string | null;
}

/** A running hub. */
export interface FakeHub {
  readonly url: string;
  readonly faults: HubFaults;
  /** Requests so far: method, path and Range. */
  readonly requests: {
    readonly path: string;
    readonly range: string | null;
    readonly token: string | null;
  }[];
  close(): Promise<void>;
}

const commit = 'c0ffee'.padEnd(40, '0');

/** Start a hub with one repository. */
export async function startFakeHub(
  repository: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<FakeHub> {
  const faults: HubFaults = {
    ...{ cuts: [], isMirror: false, ignoresRanges: false, isDamaged: false },
    ...{ truncatedAt: null, statuses: [], token: null, redirectTo: null },
  };
  const requests: FakeHub['requests'] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const token = request.headers.authorization?.replace('Bearer ', '') ?? null;
    requests.push({ path, range: request.headers.range ?? null, token });
    if (faults.token !== null && token !== faults.token) answer(response, 401, {});
    else if (path.startsWith(`/api/models/${repository}/`)) answerApi(path, request, response);
    else if (path.startsWith(`/${repository}/resolve/`)) answerFile(path, request, response);
    else answer(response, 404, { error: 'Repository not found' });
  });

  const answerApi = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    if (faults.isMirror) answer(response, 404, {});
    else if (path.includes('/paths-info/')) {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        const { paths } = JSON.parse(text) as { paths: string[] };
        answer(
          response,
          200,
          paths.flatMap((name) => listed(name, files[name])),
        );
      });
    } else {
      answer(response, 200, {
        ...{ _id: '1', id: repository, modelId: repository, sha: commit, private: false },
        ...{ gated: false, likes: 0, downloads: 0, lastModified: '2024-01-01T00:00:00.000Z' },
        tags: ['timm', 'license:apache-2.0'],
      });
    }
  };

  const answerFile = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const name = path.split('/').slice(5).join('/');
    const content = files[name];
    const status = faults.statuses.shift();
    if (status !== undefined) answer(response, status, {});
    else if (content === undefined) answer(response, 404, {}, { 'x-error-code': 'EntryNotFound' });
    else if (faults.redirectTo !== null && !path.includes('/cdn/')) {
      response.writeHead(302, { location: faults.redirectTo + path }).end();
    } else serve(name, content, request, response);
  };

  const serve = (
    name: string,
    content: Uint8Array,
    request: IncomingMessage,
    response: ServerResponse,
  ): void => {
    const isWeights = name === 'model.safetensors';
    const bytes = isWeights ? spoil(content, faults) : content;
    const match = faults.ignoresRanges
      ? null
      : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = Number(match?.[1] ?? 0);
    const end = match?.[2] ? Math.min(Number(match[2]) + 1, bytes.length) : bytes.length;
    const etag = `"${createHash('sha256').update(content).digest('hex')}"`;
    response.writeHead(match === null ? 200 : 206, {
      'content-length': end - start,
      etag,
      ...(match === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
    });
    const isTransfer = end - start > 1 && end === bytes.length;
    const cut = isWeights && isTransfer ? faults.cuts.shift() : undefined;
    if (cut === undefined) response.end(bytes.subarray(start, end));
    else response.write(bytes.subarray(start, start + cut), () => response.socket?.destroy());
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, faults, requests, close };
}

function spoil(content: Uint8Array, { isDamaged, truncatedAt }: HubFaults): Uint8Array {
  const bytes = content.slice(0, truncatedAt ?? content.length);
  if (isDamaged) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return bytes;
}

/** As the hub lists a file: large ones by SHA-256, small ones by git's digest. */
function listed(name: string, content: Uint8Array | undefined): object[] {
  if (content === undefined) return [];
  const gitDigest = createHash('sha1')
    .update(`blob ${content.length}\0`)
    .update(content)
    .digest('hex');
  const sha256 = createHash('sha256').update(content).digest('hex');
  const entry = { type: 'file', path: name, size: content.length, oid: gitDigest };
  const isLarge = name.endsWith('.safetensors');
  return [
    isLarge ? { ...entry, lfs: { oid: sha256, size: content.length, pointerSize: 134 } } : entry,
  ];
}

function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
