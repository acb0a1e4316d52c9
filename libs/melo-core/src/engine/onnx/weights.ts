/**
 * Puts a backbone's weights where onnxruntime can map them: a regular float32 file in the folder of the graph.
 *
 * onnxruntime takes external data only from a relative path, refuses a link that leaves the folder, and reads numbers in
 * place. So the cache holds, in one folder for each content, a hard link to the safetensors file itself where it is float32
 * on the same device, and else a copy. Several trainers may start at once: every file appears whole or not at all.
 */
import { randomUUID } from 'node:crypto';
import { copyFile, link, lstat, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backbone } from '#core/backbone';
import { sha256 } from '#core/crypto';
import { InputError, UnavailableError } from '#core/errors';
import { fileSource } from '../files.ts';
import type { WeightRange } from './graph-builder.ts';

const chunkBytes = 4 * 1024 * 1024;
/** Where numbers of our own copy start: a multiple of a cache line. */
const alignmentBytes = 64;

/** Weights that a graph in `directory` can name. */
export interface WeightsFolder {
  readonly directory: string;
  /** Where a tensor lies, by its canonical name. */
  readonly range: (name: string) => WeightRange;
}

type Chunks = () => AsyncGenerator<Uint8Array>;

async function digestOf(chunks: Chunks): Promise<string> {
  const hash = sha256();
  for await (const chunk of chunks()) hash.update(chunk);
  return hash.digestHex();
}

async function* sourceChunks(source: Backbone['source']): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < source.size; offset += chunkBytes) {
    yield await source.read(offset, Math.min(chunkBytes, source.size - offset));
  }
}

async function* widenedChunks(backbone: Backbone): AsyncGenerator<Uint8Array> {
  for (const name of [...backbone.tensors.keys()].sort()) {
    const values = await backbone.read(name);
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    yield new Uint8Array(paddingBytes(values.byteLength));
  }
}

const paddingBytes = (length: number): number =>
  (alignmentBytes - (length % alignmentBytes)) % alignmentBytes;

/** Where tensors lie in a widened copy: sorted by name, float32. */
function widenedOffsets(
  backbone: Backbone,
): ReadonlyMap<string, { offset: number; length: number }> {
  const places = new Map<string, { offset: number; length: number }>();
  let offset = 0;
  for (const name of [...backbone.tensors.keys()].sort()) {
    const shape = backbone.tensors.get(name)?.shape ?? [];
    const length = 4 * shape.reduce((product, size) => product * size, 1);
    places.set(name, { offset, length });
    offset += length + paddingBytes(length);
  }
  return places;
}

/** Tell whether onnxruntime may read the numbers where they lie. */
function isMappable(backbone: Backbone): boolean {
  const locations = [...backbone.tensors.values()];
  return (
    backbone.source.path !== null &&
    locations.every(({ dtype, offset }) => dtype === 'F32' && offset % 4 === 0)
  );
}

async function isSameFile(path: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(path), stat(other)]);
  return a.ino === b.ino && a.dev === b.dev;
}

/** Tell whether the cached file holds what it should: it may be a link to a file that was overwritten since. */
async function isValid(path: string, digest: string, original: string | null): Promise<boolean> {
  const found = await lstat(path).catch(() => null); // not there is the usual case
  if (found === null || !found.isFile()) return false;
  if (original !== null && (await isSameFile(path, original))) return true;
  const source = await fileSource(path);
  try {
    return (await digestOf(() => sourceChunks(source))) === digest;
  } finally {
    await source.close();
  }
}

/** Write a file whole or not at all. */
export async function writeAtomically(
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomUUID()}.tmp`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeChunks(path: string, chunks: Chunks): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of chunks()) await file.write(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Link `original` to `path`, or copy it where it cannot be linked: another device, or a file of another owner. */
async function linkOrCopy(original: string, path: string): Promise<void> {
  try {
    await writeAtomically(path, (temporary) => link(original, temporary));
  } catch {
    // Whatever the reason (EXDEV, EPERM, EMLINK), a copy serves as well, and fails by itself where it cannot.
    await writeAtomically(path, (temporary) => copyFile(original, temporary));
  }
}

function storeError(directory: string, cause: unknown): UnavailableError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : null;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new UnavailableError(
    isFull ? 'DISK_FULL' : 'STORE_UNAVAILABLE',
    `engine cache ${directory}: expected to place the backbone's weights there, failed with ${String(code)}; ` +
      (isFull ? 'free some space' : 'name a folder that this user may write'),
    { code: String(code) },
    { cause },
  );
}

async function place(
  path: string,
  content: { readonly digest: string; readonly original: string | null; readonly chunks: Chunks },
): Promise<void> {
  const { digest, original, chunks } = content;
  if (await isValid(path, digest, original)) return;
  if (original !== null) await linkOrCopy(original, path);
  else await writeAtomically(path, (temporary) => writeChunks(temporary, chunks));
  if (await isValid(path, digest, original)) return;
  throw new InputError(
    'BACKBONE_UNSUPPORTED',
    `engine cache: expected the backbone's bytes to stay as they were while they were read, they changed; load it again`,
  );
}

/**
 * Make sure that the cache holds a backbone's weights.
 *
 * @param backbone - opened; its file must not be overwritten in place while a model is loaded
 * @param cacheDirectory - made where it is missing
 * @throws UnavailableError DISK_FULL or STORE_UNAVAILABLE, InputError BACKBONE_UNSUPPORTED if the file changes meanwhile
 */
export async function placeWeights(
  backbone: Backbone,
  cacheDirectory: string,
): Promise<WeightsFolder> {
  const mappable = isMappable(backbone);
  const path = backbone.source.path;
  const original = mappable && path !== null ? await realpath(path) : null;
  const chunks = mappable ? () => sourceChunks(backbone.source) : () => widenedChunks(backbone);
  const file = mappable ? 'model.safetensors' : 'weights.bin';
  const digest = await digestOf(chunks);
  const directory = join(cacheDirectory, digest);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await place(join(directory, file), { digest, original, chunks });
  } catch (error) {
    throw error instanceof InputError ? error : storeError(directory, error);
  }
  const places = mappable ? backbone.tensors : widenedOffsets(backbone);
  const range = (name: string): WeightRange => {
    const location = places.get(name);
    if (location !== undefined) return { file, offset: location.offset, length: location.length };
    throw new InputError(
      'TENSOR_MISSING',
      `backbone ${backbone.name}: expected a tensor ${name}, it has none; use a complete ViT file`,
      { name },
    );
  };
  return { directory, range };
}
