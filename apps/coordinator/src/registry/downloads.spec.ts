/** A version in every format: over REST and by the command, read back to the same numbers, with the notice of what it is for. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adapterDigest,
  adapterNotice,
  decodeAdapterFile,
  decodeSafetensors,
  type AdapterFile,
} from '#core/adapter';
import { fromUtf8 } from '#core/bytes';
import { convertToNative, decodeOfficial, decodePeft } from '#core/formats';
import { readTar } from '../backup/tar.ts';
import { Harness } from '../testing/harness.ts';
import { runAdminCommand } from '../testing/run-admin.ts';

let harness: Harness;
let folder: string;
let native: Uint8Array;
let file: AdapterFile;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'melo-downloads-'));
  harness = await Harness.start();
  const site = await harness.join('north');
  // A scale of 3/2 is no whole number, and the round leaves a bias in the head.
  await harness.createTask({ rounds: 1, alpha: 3, members: ['north'], rules: { quorumSites: 1 } });
  const { layout } = decodeAdapterFile(await harness.download('chest', 0));
  const delta = Float32Array.from({ length: layout.size }, (_, at) => (at % 7) / 8 + 1 / 16);
  await site.takePart('chest', delta);
  await harness.untilVersion('chest', 1);
  native = await harness.download('chest', 1);
  file = decodeAdapterFile(native);
});
afterAll(async () => {
  await harness.stop();
  await rm(folder, { recursive: true });
});

const get = (query: string) => harness.raw('GET', `/v1/tasks/chest/versions/1/adapter${query}`);
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

/** The files of a tar by name. */
async function filesOf(tar: Uint8Array): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const pieces = (async function* () {
    yield tar;
  })();
  for await (const { path, content } of readTar(pieces)) {
    const parts: Uint8Array[] = [];
    for await (const part of content) parts.push(part);
    files.set(path, Buffer.concat(parts));
  }
  return files;
}

const library = 'melo-federation';

describe('over REST', () => {
  test.each(['', '?format=melo'])('the own file is sent as it is: %p', async (query) => {
    const response = await get(query);
    expect(response.headers.get('content-disposition')).toBe(
      'attachment; filename="chest-v1.safetensors"',
    );
    expect(await bytesOf(response)).toEqual(native);
    expect(response.headers.get('etag')).toBe(`"${adapterDigest(native)}"`);
  });

  test('PEFT gets a tar of its two files, which read back to the very file', async () => {
    const response = await get('?format=peft');
    const tar = await bytesOf(response);
    expect(response.headers.get('content-disposition')).toContain('"chest-v1-peft.tar"');
    expect(response.headers.get('etag')).toBe(`"${adapterDigest(tar)}"`);
    expect(response.headers.get('melo-digest')).toBe(adapterDigest(native));
    const files = await filesOf(tar);
    expect([...files.keys()]).toEqual([
      'chest-v1-peft/adapter_model.safetensors',
      'chest-v1-peft/adapter_config.json',
    ]);
    const [bytes = new Uint8Array(), config = new Uint8Array()] = files.values();
    const foreign = decodePeft({ bytes, config: JSON.parse(fromUtf8(config)) });
    expect(foreign.values).toEqual(file.values);
    expect(convertToNative(foreign, { library })).toMatchObject({
      isRestored: true,
      bytes: native,
    });
    expect(await bytesOf(await get('?format=peft'))).toEqual(tar);
  });

  test('PEFT gets the names of the release that is asked for', async () => {
    const names = async (query: string) => {
      const [bytes = new Uint8Array()] = (await filesOf(await bytesOf(await get(query)))).values();
      return [...decodeSafetensors(bytes).tensors.keys()].join();
    };
    expect(await names('?format=peft')).toContain('attention.q_proj');
    expect(await names('?format=peft&peftNames=transformers-4')).toContain('attention.query');
  });

  test('the official code gets no head bias unless it is dropped knowingly, which is said', async () => {
    const refused = await get('?format=official');
    expect([refused.status, await refused.json()]).toEqual([
      422,
      expect.objectContaining({ code: 'ADAPTER_UNSUPPORTED' }),
    ]);
    const response = await get('?format=official&dropHeadBias=true');
    expect(response.headers.get('melo-notes')).toMatch(/bias of the head is NOT.*; the scale 1.5/);
    const fileName = 'chest_base_lora_2_2.safetensors';
    expect(response.headers.get('content-disposition')).toContain(`"${fileName}"`);
    const { values } = decodeOfficial({ bytes: await bytesOf(response), fileName });
    const headWeights = values.subarray(-10, -2);
    expect(headWeights).toEqual(file.values.subarray(-10, -2));
    expect([...values.subarray(-2)]).toEqual([0, 0]);
  });

  test.each([
    'format=safetensors',
    'format=peft&peftNames=transformers-9',
    'dropHeadBias=yes',
    'x=1',
  ])('what is not known is refused: %s', async (query) => {
    expect((await get(`?${query}`)).status).toBe(400);
  });

  test.each(['melo', 'peft', 'official&dropHeadBias=true'])(
    'what it is for stands in every form: %s',
    async (format) => {
      const bytes = await bytesOf(await get(`?format=${format}`));
      expect(Buffer.from(bytes).includes(adapterNotice)).toBe(true);
    },
  );
});

describe('melo admin adapters download', () => {
  const run = (...options: string[]) =>
    runAdminCommand(harness, 'adapters', 'download', 'chest', ...options);

  test('--format peft writes the folder that PEFT loads, and what is there stays', async () => {
    const out = join(folder, 'peft');
    const { exitCode, printed } = await run('--format', 'peft', '--out', out);
    expect([exitCode, printed]).toEqual([0, expect.stringContaining(adapterDigest(native))]);
    expect((await readdir(out)).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
    ]);
    const [bytes, config] = await Promise.all([
      readFile(join(out, 'adapter_model.safetensors')),
      readFile(join(out, 'adapter_config.json'), 'utf8'),
    ]);
    expect(decodePeft({ bytes, config: JSON.parse(config) }).values).toEqual(file.values);
    expect((await run('--format', 'peft', '--out', out)).exitCode).toBe(9);
  });

  test('--format official is refused for the bias, or says that it is left out', async () => {
    const out = join(folder, 'official');
    const refused = await run('--format', 'official', '--out', out);
    expect([refused.exitCode, refused.told]).toEqual([
      1,
      expect.stringContaining('--drop-head-bias'),
    ]);
    const written = await run('--format', 'official', '--drop-head-bias', '--out', out, '--json');
    expect(JSON.parse(written.printed)).toMatchObject({
      files: [join(out, 'chest_base_lora_2_2.safetensors')],
      notes: [expect.stringContaining('NOT in the file'), expect.stringContaining('1.5')],
    });
  });
});
