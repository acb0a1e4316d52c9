/** Adapters between PEFT, the official layout and ours: one function, three files, logits to 1e-4. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { downloadOf } from '../../apps/coordinator/src/registry/adapter-download.ts';
import {
  decodeFloats,
  decodeSafetensors,
  encodeAdapterFile,
  type AdapterFile,
} from '#core/adapter';
import {
  convertToNative,
  decodeOfficial,
  decodePeft,
  encodeOfficial,
  type ForeignAdapter,
} from '#core/formats';
import { nativeAdapter } from '#core/formats/testing';
import { largestDifference, predictWith, readFloats, runPython } from './python.ts';

const tolerance = 1e-4;
const logitsSchema = z.array(z.array(z.array(z.number())));
const folder = mkdtempSync(path.join(tmpdir(), 'melo-interop-'));
const made = path.join(folder, 'made');
const committed = path.join(import.meta.dirname, '../fixtures/adapters');

afterAll(() => rmSync(folder, { recursive: true }));

const expected = (name: string): Float32Array =>
  readFloats(path.join(made, 'expected.safetensors'), name).values;

function readPeft(directory: string): ForeignAdapter {
  const bytes = new Uint8Array(readFileSync(path.join(directory, 'adapter_model.safetensors')));
  const config: unknown = JSON.parse(
    readFileSync(path.join(directory, 'adapter_config.json'), 'utf8'),
  );
  return decodePeft({ bytes, config });
}

function readOfficial(directory: string): ForeignAdapter {
  const [fileName = ''] = readdirSync(directory);
  const bytes = new Uint8Array(readFileSync(path.join(directory, fileName)));
  return decodeOfficial({ bytes, fileName });
}

const ours = ({
  specification,
  values,
}: Pick<ForeignAdapter, 'specification' | 'values'>): Promise<Float32Array> =>
  predictWith({
    directory: path.join(made, 'backbone'),
    images: readFloats(path.join(made, 'expected.safetensors'), 'images'),
    ...{ specification, values, cacheDirectory: path.join(folder, 'cache') },
  });

/** An adapter for the made backbone whose numbers are nowhere zero. */
function ourAdapter(rank: number, alpha: number, isBiasZero = false): AdapterFile {
  const adapter = nativeAdapter({ rank, alpha, dimension: 32, blocks: 2, isBiasZero });
  return { ...adapter, values: adapter.values.map((value) => 0.2 * value) };
}

/** What PEFT saved, as one of ours. */
function nativeOfPeft(): AdapterFile {
  const { backbone, preprocessing } = ourAdapter(1, 1).card;
  const details = { task: 'golden', backbone, preprocessing, library: 'melo-federation' };
  return convertToNative(readPeft(path.join(made, 'peft-rslora')), details).file;
}

const wholeScale = ourAdapter(4, 8);
const brokenScale = ourAdapter(3, 7.25);
/** By PEFT, of our adapters: whole scale, broken scale, there and back. */
let logitsOfPeft: Float32Array[];

/** Write an adapter for PEFT as the coordinator hands it out, unpack it with the system's tar and return its folder. */
function writePeft(adapter: AdapterFile): string {
  const directory = mkdtempSync(path.join(folder, 'ours-'));
  const { bytes } = downloadOf({
    ...{
      native: encodeAdapterFile(adapter),
      record: { task: 'golden', version: 1, createdAtMs: 0 },
    },
    ...{ format: 'peft', peftNames: 'transformers-5', dropHeadBias: 'false' },
  });
  execFileSync('tar', ['-x', '-C', directory], { input: bytes });
  return path.join(directory, 'golden-v1-peft');
}

beforeAll(() => {
  runPython('adapters.py', 'make', made);
  const directories = [wholeScale, brokenScale, nativeOfPeft()].map(writePeft);
  const printed = runPython('adapters.py', 'load', made, ...directories);
  logitsOfPeft = logitsSchema
    .parse(JSON.parse(printed))
    .map((rows) => Float32Array.from(rows.flat()));
}, 300_000);

const difference = (actual: Float32Array, other: Float32Array | undefined): number =>
  largestDifference(actual, other ?? new Float32Array(0));

test.each(['peft', 'peft-rslora'])('what PEFT saved as %s gives its logits here', async (name) => {
  const actual = await ours(readPeft(path.join(made, name)));
  expect(largestDifference(actual, expected(name))).toBeLessThan(tolerance);
});

test('an official file gives the logits of its own arithmetic here', async () => {
  const actual = await ours(readOfficial(path.join(made, 'official')));
  expect(largestDifference(actual, expected('official'))).toBeLessThan(tolerance);
});

test('our adapters, loaded by PEFT, give our logits', async () => {
  expect(difference(await ours(wholeScale), logitsOfPeft[0])).toBeLessThan(tolerance);
  expect(difference(await ours(brokenScale), logitsOfPeft[1])).toBeLessThan(tolerance);
});

test('our official file holds, in its own arithmetic, what ours does', async () => {
  const adapter = ourAdapter(4, 6, true);
  const { bytes, fileName } = encodeOfficial(adapter, { isHeadBiasDropped: false });
  const again = decodeOfficial({ bytes, fileName });
  expect(largestDifference(await ours(again), await ours(adapter))).toBeLessThan(tolerance);
});

test('an adapter of PEFT that came here goes back to PEFT with the same logits', () => {
  expect(difference(expected('peft-rslora'), logitsOfPeft[2])).toBeLessThan(tolerance);
});

test('the committed goldens are what the script makes', () => {
  const files = readdirSync(committed, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.safetensors'))
    .sort();
  expect(files).toHaveLength(5);
  for (const file of files) {
    const [old, anew] = [committed, made].map(
      (root) => decodeSafetensors(readFileSync(path.join(root, file))).tensors,
    );
    expect([...(old?.keys() ?? [])].sort()).toEqual([...(anew?.keys() ?? [])].sort());
    for (const [name, { data, dtype }] of old ?? []) {
      const other = anew?.get(name)?.data ?? new Uint8Array(0);
      // Other processors sum in other orders.
      const values = decodeFloats(data, dtype);
      expect(largestDifference(decodeFloats(other, 'F32'), values)).toBeLessThan(1e-5);
    }
  }
});
