/** `melo adapter convert`, `diff`, `verify` and `show` on files: there and back, and what is refused. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterDigest, decodeAdapterFile, encodeAdapterFile } from '#core/adapter';
import { randomBackboneFile } from '#core/backbone';
import { nativeAdapter } from '#core/formats/testing';
import { convertAdapter, type ConvertOptions } from './adapter-convert.ts';
import { diffAdapters } from './adapter-diff.ts';
import { describeBackbone, type CommandOutput } from './adapter-files.ts';
import { showAdapter } from './adapter-show.ts';
import { verifyAdapter } from './adapter-verify.ts';

let folder: string;
let lines: string[];
let warnings: string[];
const output: CommandOutput = {
  say: (line) => void lines.push(line),
  warn: (line) => void warnings.push(line),
};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'melo-adapter-spec-'));
  [lines, warnings] = [[], []];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const place = (name: string): string => join(folder, name);
const native = nativeAdapter({ dimension: 12, blocks: 2, rank: 2, alpha: 4 });
const json = (): Record<string, unknown> => JSON.parse(lines.join('')) as Record<string, unknown>;

async function writeNative(name: string, file = native): Promise<string> {
  await writeFile(place(name), encodeAdapterFile(file));
  return place(name);
}

async function writeBackbone(seed: string): Promise<string> {
  const { bytes, config } = randomBackboneFile({
    configuration: {
      ...{ dimension: 12, heads: 3, blocks: 2, mlpDimension: 24, patchSize: 8, imageSize: 16 },
      ...{ channels: 3, activation: 'gelu', pooling: 'cls', layerNormEpsilon: 1e-6 },
      mean: [0.4, 0.5, 0.6],
      std: [0.5, 0.5, 0.5],
    },
    seed,
    spelling: 'timm',
  });
  const directory = place(`backbone-${seed}`);
  await mkdir(directory);
  await writeFile(join(directory, 'model.safetensors'), bytes);
  await writeFile(join(directory, 'config.json'), JSON.stringify(config));
  return directory;
}

const convert = (
  input: string,
  to: ConvertOptions['to'],
  target: string,
  more: Partial<ConvertOptions> = {},
): Promise<void> =>
  convertAdapter(
    {
      ...{ input, output: place(target), to, peftNames: 'transformers-5', peftModel: 'vit' },
      ...{ isHeadBiasDropped: false, isForced: false, isJson: true },
      ...more,
    },
    output,
  );

/** Without our metadata, as another tool would have written it. */
async function stripOrigin(file: string): Promise<void> {
  const text = await readFile(file, 'latin1');
  await writeFile(file, text.replace(/melo_(card|digest)/g, 'note_$1'), 'latin1');
}

test('a native adapter goes to PEFT and back as the very same file', async () => {
  const input = await writeNative('a.safetensors');
  await convert(input, 'peft', 'peft');
  lines = [];
  await convert(place('peft'), 'melo', 'b.safetensors');
  expect(json()).toMatchObject({ from: 'peft', to: 'melo', isRestored: true, notes: [] });
  expect(await readFile(place('b.safetensors'))).toEqual(await readFile(input));
});

test('a native adapter goes to the official format in a folder, which names it', async () => {
  const input = await writeNative('a.safetensors');
  await expect(convert(input, 'official', 'out')).rejects.toMatchObject({
    code: 'ADAPTER_UNSUPPORTED',
  });
  await convert(input, 'official', 'out', { isHeadBiasDropped: true, isJson: false });
  expect(lines.join()).toContain('chest_base_lora_2_4.safetensors');
  expect(warnings.join()).toContain('NOT in the file');
  lines = [];
  const official = place('out/chest_base_lora_2_4.safetensors');
  expect(await diffAdapters({ ...pair(input, official), isNumbersOnly: true }, output)).toBe(false);
  expect(json()).toMatchObject({ isSame: false, areCardsCompared: false });
});

const pair = (a: string, b: string) => ({ a, b, isNumbersOnly: false, isJson: true });

test('an official file must have a name that readers can take the scale from', async () => {
  const input = await writeNative('a.safetensors');
  const more = { isHeadBiasDropped: true };
  await expect(convert(input, 'official', 'x.safetensors', more)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining('_lora_2_4.safetensors'),
  });
  await convert(input, 'official', 'x_base_lora_2_4.safetensors', more);
  expect(json()).toMatchObject({ outputs: [place('x_base_lora_2_4.safetensors')] });
});

test('what another tool made gets its card from the backbone and the command', async () => {
  await convert(await writeNative('a.safetensors'), 'peft', 'peft');
  await stripOrigin(place('peft/adapter_model.safetensors'));
  await expect(convert(place('peft'), 'melo', 'b.safetensors')).rejects.toMatchObject({
    code: 'ADAPTER_INVALID',
    message: expect.stringContaining('lacks the backbone'),
  });
  const backbone = await writeBackbone('one');
  const cardClasses = ['x', 'y', 'z'];
  const card = place('card.json');
  await writeFile(card, JSON.stringify({ title: 'Eyes', task: 'overridden', version: 3 }));
  const more = { backbone, card, cardTask: 'eyes', cardClasses };
  await convert(place('peft'), 'melo', 'b.safetensors', more);
  const { card: made, values } = decodeAdapterFile(
    new Uint8Array(await readFile(place('b.safetensors'))),
  );
  expect(values).toEqual(native.values);
  expect(made).toMatchObject({ task: 'eyes', title: 'Eyes', classes: cardClasses, version: 0 });
  expect(made).toMatchObject(await describeBackbone(backbone));
  expect(made.preprocessing.mean).toEqual([0.4, 0.5, 0.6]);
});

test('nothing is written over unless it is forced', async () => {
  const input = await writeNative('a.safetensors');
  await convert(input, 'peft', 'peft');
  await expect(convert(input, 'peft', 'peft')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await convert(input, 'peft', 'peft', { isForced: true });
  await expect(convert(input, 'melo', 'b.safetensors')).rejects.toMatchObject({ code: 'USAGE' });
});

test('a format that was named must be the one', async () => {
  const input = await writeNative('a.safetensors');
  await expect(convert(input, 'official', 'x', { from: 'peft' })).rejects.toMatchObject({
    code: 'ADAPTER_INVALID',
    message: expect.stringContaining('expected an adapter of format peft'),
  });
});

test('a pickle is never opened', async () => {
  await mkdir(place('old'));
  await writeFile(place('old/adapter_model.bin'), 'x');
  await writeFile(place('old/adapter_config.json'), '{}');
  for (const path of ['old', 'old/adapter_model.bin']) {
    await expect(showAdapter(place(path), { isJson: true }, output)).rejects.toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      message: expect.stringContaining('pickle'),
    });
  }
});

test('diff says what is the same and what differs', async () => {
  const a = await writeNative('a.safetensors');
  const card = { ...native.card, title: 'Another title' };
  const b = await writeNative('b.safetensors', { ...native, card });
  expect(await diffAdapters(pair(a, a), output)).toBe(true);
  lines = [];
  expect(await diffAdapters(pair(a, b), output)).toBe(false);
  expect(json()).toMatchObject({
    isSame: false,
    card: [{ field: 'title', a: 'Chest', b: 'Another title' }],
  });
  lines = [];
  expect(await diffAdapters({ ...pair(a, b), isNumbersOnly: true, isJson: false }, output)).toBe(
    true,
  );
  expect(lines).toEqual(['0 of 10 tensors differ', 'the same']);
  lines = [];
  const other = nativeAdapter({ dimension: 12, blocks: 2, rank: 2, alpha: 4, seed: 'b' });
  const c = await writeNative('c.safetensors', other);
  expect(await diffAdapters({ ...pair(a, c), isJson: false }, output)).toBe(false);
  expect(lines).toContainEqual(expect.stringMatching(/^blocks\.0\.attn\.q s B A: .*cosine/));
  expect(lines).toContain('10 of 10 tensors differ');
});

test('verify finds a sound file sound, and names its backbone', async () => {
  const backbone = await writeBackbone('one');
  const described = await describeBackbone(backbone);
  const file = await writeNative('a.safetensors', {
    ...native,
    card: { ...native.card, ...described },
  });
  const digest = adapterDigest(new Uint8Array(await readFile(file)));
  expect(await verifyAdapter(file, { backbone, digest, isJson: true }, output)).toBe(true);
  expect(json()).toMatchObject({
    isSound: true,
    findings: ['file', 'digest', 'numbers', 'card', 'backbone'].map((check) => ({
      check,
      status: 'ok',
    })),
  });
  const other = await writeBackbone('two');
  lines = [];
  expect(await verifyAdapter(file, { backbone: other, isJson: true }, output)).toBe(false);
  expect(json()).toMatchObject({
    findings: expect.arrayContaining([
      expect.objectContaining({ check: 'backbone', code: 'BACKBONE_MISMATCH' }),
    ]),
  });
});

test('verify names what is wrong', async () => {
  const file = await writeNative('a.safetensors');
  const expectFailure = async (check: string, code: string, digest?: string): Promise<void> => {
    lines = [];
    expect(await verifyAdapter(file, { digest, isJson: true }, output)).toBe(false);
    expect(json()['findings']).toContainEqual(
      expect.objectContaining({ check, status: 'failed', code }),
    );
  };
  await expectFailure('digest', 'DIGEST_MISMATCH', '00'.repeat(32));
  const bytes = await readFile(file);
  await writeFile(file, bytes.subarray(0, -1));
  await expectFailure('file', 'SAFETENSORS_INVALID');
  bytes.fill(255, bytes.length - 4);
  await writeFile(file, bytes);
  await expectFailure('file', 'NON_FINITE_UPDATE');
  await rm(file);
  await expectFailure('file', 'NOT_FOUND');
});

test('show prints the card of a native file, and the sizes of another', async () => {
  const file = await writeNative('a.safetensors');
  await showAdapter(file, { isJson: true }, output);
  expect(json()).toEqual(native.card);
  await convert(file, 'peft', 'peft');
  await stripOrigin(place('peft/adapter_model.safetensors'));
  lines = [];
  await showAdapter(place('peft/adapter_config.json'), { isJson: true }, output);
  expect(json()).toMatchObject({ format: 'peft', rank: 2, scale: 2, classes: 3, card: null });
});
