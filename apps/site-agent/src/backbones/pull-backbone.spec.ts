import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSafetensorsBytes } from '#core/adapter';
import {
  fingerprintBackbone,
  memorySource,
  openBackbone,
  randomBackboneFile,
  type BackboneConfiguration,
} from '#core/backbone';
import { startFakeHub, type FakeHub } from '../testing/fake-hub.ts';
import { findBackbones, fingerprintFolder } from './backbone-folder.ts';
import { HubClient } from './hub-client.ts';
import { hubNetwork, type HubNetwork } from './hub-network.ts';
import { pullBackbone, type PulledBackbone, type PullOptions } from './pull-backbone.ts';

const configuration: BackboneConfiguration = {
  ...{ dimension: 12, blocks: 2, heads: 3, mlpDimension: 24, patchSize: 4, imageSize: 12 },
  ...{ channels: 3, layerNormEpsilon: 1e-6, activation: 'gelu', pooling: 'cls' },
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
const repository = 'owner/small-vit';
const made = randomBackboneFile({ configuration, seed: 'hub', spelling: 'timm' });
const config = Buffer.from(JSON.stringify(made.config));

let hub: FakeHub;
let directory: string;
let networks: HubNetwork[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-pull-'));
  hub = await startFakeHub(repository, { 'config.json': config, 'model.safetensors': made.bytes });
});
afterEach(async () => {
  for (const network of networks) await network.close();
  networks = [];
  await hub.close();
  await rm(directory, { recursive: true, force: true });
});

const pullFrom = (
  environment: Readonly<Record<string, string>>,
  options: Partial<PullOptions> = {},
): Promise<PulledBackbone> => {
  const network = hubNetwork({ HF_ENDPOINT: hub.url, ...environment });
  networks.push(network);
  return pullBackbone({
    ...{ client: new HubClient(network), name: repository, revision: 'main', directory },
    wait: () => Promise.resolve(),
    ...options,
  });
};
const pull = (options: Partial<PullOptions> = {}): Promise<PulledBackbone> => pullFrom({}, options);
const codeOf = (code: string, text = ''): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });
const target = (): string => join(directory, 'small-vit');
const partial = (): string => join(directory, '.small-vit.partial', 'model.safetensors.part');
const ranges = (): (string | null)[] =>
  hub.requests.filter(({ path }) => path.endsWith('model.safetensors')).map(({ range }) => range);

describe('a pull', () => {
  test('ends with the files, their origin and the fingerprint of the weights', async () => {
    const pulled = await pull();
    const source = memorySource(made.bytes);
    const expected = await fingerprintBackbone(await openBackbone({ source, config: made.config }));
    expect(pulled).toEqual({
      ...{ folder: target(), fingerprint: expected, repository, licence: 'apache-2.0' },
      revision: expect.stringMatching(/^c0ffee0+$/),
      ...{ wasThere: false, isDigestChecked: true },
    });
    expect((await readdir(target())).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'origin.json',
    ]);
    expect(await readdir(directory)).toEqual(['small-vit']);
    expect(new Uint8Array(await readFile(join(target(), 'model.safetensors')))).toEqual(made.bytes);
    const [found] = await findBackbones(directory);
    expect(found).toMatchObject({ summary: { name: 'small-vit', origin: { repository } } });
  });

  test('of what is there already checks it and fetches nothing', async () => {
    const first = await pull();
    const before = hub.requests.length;
    expect(await pull()).toEqual({ ...first, wasThere: true });
    expect(hub.requests).toHaveLength(before);
  });

  test('sees that what is there was changed since', async () => {
    await pull();
    const file = join(target(), 'model.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(file, bytes);
    await expect(pull()).rejects.toEqual(codeOf('BACKBONE_MISMATCH'));
  });

  test('leaves a folder of another origin as it is', async () => {
    await pull();
    await rm(join(target(), 'origin.json'));
    await expect(pull()).rejects.toEqual(codeOf('ALREADY_EXISTS', 'small-vit'));
    expect(await fingerprintFolder(target())).toHaveLength(64);
  });

  test('with another fingerprint than expected shows no folder, and a right one then needs no download', async () => {
    const wrong = 'ab'.repeat(32);
    await expect(pull({ expectedFingerprint: wrong })).rejects.toEqual(codeOf('BACKBONE_MISMATCH'));
    expect(await readdir(directory)).toEqual(['.small-vit.partial']);
    hub.requests.length = 0;
    await pull();
    expect(ranges().filter((range) => range === null)).toEqual([]);
  });

  test('goes on where each cut left it, within one run', async () => {
    hub.faults.cuts = [4000, 1, 500];
    await pull();
    expect(
      ranges()
        .slice(-3)
        .map((range) => range?.split('-')[0]),
    ).toEqual(['bytes=4000', 'bytes=4001', 'bytes=4501']);
  });

  test('that gave up goes on in the next run', async () => {
    hub.faults.cuts = [5000, ...Array.from({ length: 20 }, () => 0)];
    await expect(pull()).rejects.toEqual(codeOf('HUB_UNREACHABLE', 'goes on where it stood'));
    expect((await stat(partial())).size).toBe(5000);
    hub.faults.cuts = [];
    await pull();
    expect(ranges().at(-1)).toBe(`bytes=5000-${made.bytes.length - 1}`);
  });

  test('bears statuses that pass, 429 and 503', async () => {
    hub.faults.statuses = [503, 429];
    expect((await pull()).isDigestChecked).toBe(true);
  });

  test('whose partial file was changed on the disk is refused and begun anew', async () => {
    hub.faults.cuts = [5000, ...Array.from({ length: 20 }, () => 0)];
    await expect(pull()).rejects.toEqual(codeOf('HUB_UNREACHABLE'));
    await writeFile(partial(), Buffer.alloc(5000, 7));
    hub.faults.cuts = [];
    await expect(pull()).rejects.toEqual(codeOf('DIGEST_MISMATCH'));
    await expect(stat(partial())).rejects.toMatchObject({ code: 'ENOENT' });
    await pull();
  });

  test('of weights with one other byte is refused, and nothing stays', async () => {
    hub.faults.isDamaged = true;
    await expect(pull()).rejects.toEqual(codeOf('DIGEST_MISMATCH', 'another digest'));
    await expect(stat(partial())).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(stat(target())).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('of weights that end early is refused', async () => {
    hub.faults.truncatedAt = made.bytes.length - 100;
    await expect(pull()).rejects.toEqual(codeOf('HUB_ANSWER_INVALID'));
    await expect(stat(target())).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('of an unknown repository or file says so', async () => {
    await expect(pull({ name: 'owner/other' })).rejects.toEqual(codeOf('NOT_FOUND', 'owner/other'));
    await expect(pull({ name: 'other' })).rejects.toEqual(
      codeOf('NOT_FOUND', 'melo backbone list'),
    );
    await expect(pull({ name: '../../etc/x' })).rejects.toEqual(codeOf('USAGE'));
    await hub.close();
    hub = await startFakeHub(repository, { 'config.json': config });
    await expect(pull()).rejects.toEqual(codeOf('NOT_FOUND', 'model.safetensors'));
  });

  test('without a network says which endpoint and what failed', async () => {
    await hub.close();
    await expect(pull()).rejects.toEqual(codeOf('HUB_UNREACHABLE', 'ECONNREFUSED'));
  });

  test('of what cannot be run exactly ends before the weights are fetched', async () => {
    await hub.close();
    const foreign = encodeSafetensorsBytes({
      tensors: [
        { name: 'something.else', dtype: 'F32', shape: [1_000], data: new Uint8Array(4_000) },
      ],
      metadata: {},
    });
    hub = await startFakeHub(repository, { 'config.json': config, 'model.safetensors': foreign });
    await expect(pull()).rejects.toEqual(codeOf('BACKBONE_UNSUPPORTED'));
    expect(ranges().every((range) => range !== null)).toBe(true);
  });

  test('while another process pulls the same backbone is refused', async () => {
    const staging = join(directory, '.small-vit.partial');
    await mkdir(staging);
    await writeFile(join(staging, 'pull.lock'), String(process.ppid)); // alive, and not this process
    await expect(pull()).rejects.toEqual(codeOf('DATA_FOLDER_LOCKED', 'pull.lock'));
    await rm(join(staging, 'pull.lock'));
    await pull();
  });

  test('tells how far it is, to the last byte', async () => {
    const seen: string[] = [];
    await pull({
      onProgress: (progress) => {
        if (progress.phase === 'download') seen.push(`${progress.path} ${progress.done}`);
        else if (progress.phase === 'found') seen.push(`found ${progress.bytes}`);
      },
    });
    expect(seen[0]).toBe(`found ${config.length + made.bytes.length}`);
    expect(seen.at(-1)).toBe(`model.safetensors ${made.bytes.length}`);
  });
});

describe('the token', () => {
  test('is sent, and never shows in a message', async () => {
    hub.faults.token = 'secret-token';
    await expect(pull()).rejects.toEqual(codeOf('FORBIDDEN', 'HF_TOKEN'));
    await expect(pullFrom({ HF_TOKEN: 'wrong-token' })).rejects.not.toEqual(
      codeOf('FORBIDDEN', 'wrong-token'),
    );
    await pullFrom({ HF_TOKEN: 'secret-token' });
  });

  test('does not go along to another origin', async () => {
    hub.faults.token = 'secret-token';
    const other = await startFakeHub(repository, {
      'config.json': config,
      'model.safetensors': made.bytes,
    });
    hub.faults.redirectTo = other.url;
    await pullFrom({ HF_TOKEN: 'secret-token' });
    expect(other.requests.length).toBeGreaterThan(1);
    expect(other.requests.every(({ token }) => token === null)).toBe(true);
    expect(hub.requests.every(({ token }) => token === 'secret-token')).toBe(true);
    await other.close();
  });
});

describe('a mirror', () => {
  test('of files alone serves, its etags are the digests', async () => {
    hub.faults.isMirror = true;
    const pulled = await pull();
    expect(pulled).toMatchObject({ licence: null, revision: 'main', isDigestChecked: true });
  });

  test('that ignores ranges serves too, but cannot go on after a cut', async () => {
    hub.faults.ignoresRanges = true;
    await pull();
    await rm(target(), { recursive: true });
    hub.faults.cuts = [1, 3000]; // the first request asks for the header alone, and gets the whole file
    await expect(pull()).rejects.toEqual(codeOf('HUB_ANSWER_INVALID', 'ranges'));
    await pull();
  });

  test.each(['http://mirror.example', 'ftp://x', 'mirror'])('at %s is refused', (endpoint) => {
    expect(() => hubNetwork({ HF_ENDPOINT: endpoint })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});

describe('a proxy', () => {
  const startProxy = async (): Promise<{ url: string; targets: string[]; server: Server }> => {
    const targets: string[] = [];
    const server = createServer();
    const sockets = new Set<Socket>();
    server.on('connect', (request, socket: Socket) => {
      targets.push(request.url ?? '');
      const [host = '', port = ''] = (request.url ?? '').split(':');
      const upstream = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      for (const end of [socket, upstream]) {
        sockets.add(end);
        end.on('error', () => end.destroy());
      }
    });
    server.on('close', () => sockets.forEach((socket) => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}`, targets, server };
  };

  test('of the environment is gone through, unless NO_PROXY names the host', async () => {
    const proxy = await startProxy();
    await pullFrom({ HTTP_PROXY: proxy.url });
    expect(proxy.targets.length).toBeGreaterThan(0);
    expect(new Set(proxy.targets)).toEqual(new Set([new URL(hub.url).host]));
    await rm(target(), { recursive: true });
    proxy.targets.length = 0;
    await pullFrom({ HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' });
    expect(proxy.targets).toEqual([]);
    for (const network of networks) await network.close();
    networks = [];
    proxy.server.close();
    proxy.server.closeAllConnections();
  });
});
