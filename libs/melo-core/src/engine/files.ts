/** Opens files as byte sources, and a backbone from its folder; the only part of the core, with onnx/, that reads files. */
import { open } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { types } from 'node:util';
import { openBackbone } from '#core/backbone';
import type { Backbone, ByteSource } from '#core/backbone';
import { fromUtf8 } from '#core/bytes';
import { InputError, MeloError } from '#core/errors';

/** A byte source that holds a file open. */
export interface FileSource extends ByteSource {
  /** Close the file; nothing is read afterwards. */
  close(): Promise<void>;
}

/** Largest JSON file read beside a backbone, bytes. */
const jsonBytesMax = 1024 * 1024;

function unreadable(path: string, cause: unknown): InputError {
  const code = types.isNativeError(cause) && 'code' in cause ? String(cause.code) : 'unknown';
  return new InputError(
    'NOT_FOUND',
    `file ${path}: expected a file that can be read, failed with ${code}; check the path and its permissions`,
    { code },
    { cause },
  );
}

/**
 * Open a regular file for random access.
 *
 * @param path - relative to the working directory or absolute
 * @returns the source; the caller closes it
 * @throws InputError NOT_FOUND if it is no regular file that can be read
 */
export async function fileSource(path: string): Promise<FileSource> {
  const absolute = resolve(path);
  const handle = await open(absolute, 'r').catch((cause: unknown) => {
    throw unreadable(absolute, cause);
  });
  const information = await handle.stat();
  if (!information.isFile()) {
    await handle.close();
    throw unreadable(absolute, new Error('not a regular file'));
  }
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
      if (bytesRead === 0) throw truncated(absolute, offset + length, offset + filled);
      filled += bytesRead;
    }
    return bytes;
  };
  return { size: information.size, path: absolute, read, close: () => handle.close() };
}

function truncated(path: string, wanted: number, actual: number): InputError {
  return new InputError(
    'SAFETENSORS_INVALID',
    `file ${path}: expected ${wanted} bytes, it ends at ${actual}; copy it again`,
    { wanted, actual },
  );
}

async function readJson(path: string): Promise<unknown> {
  const source = await fileSource(path);
  try {
    if (source.size > jsonBytesMax) {
      throw new InputError(
        'BACKBONE_UNSUPPORTED',
        `file ${path}: expected at most ${jsonBytesMax} bytes, got ${source.size}; use the file that came with the weights`,
        { bytes: source.size, bytesMax: jsonBytesMax },
      );
    }
    return JSON.parse(fromUtf8(await source.read(0, source.size)));
  } catch (cause) {
    if (cause instanceof MeloError) throw cause;
    throw new InputError(
      'BACKBONE_UNSUPPORTED',
      `file ${path}: expected JSON in UTF-8, got something else; use the file that came with the weights`,
      {},
      { cause },
    );
  } finally {
    await source.close();
  }
}

async function readJsonIfThere(path: string): Promise<unknown> {
  try {
    return await readJson(path);
  } catch (error) {
    if (error instanceof InputError && error.details.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** An opened backbone and the file under it. */
export interface LoadedBackbone extends Backbone {
  /** Close the file: only once no model is to be loaded from this backbone any more. */
  close(): Promise<void>;
}

/**
 * Open the backbone of a folder: `model.safetensors`, `config.json`, and `preprocessor_config.json` where there is one.
 *
 * @param directory - as timm or Hugging Face save it; its name becomes the backbone's name
 * @returns the backbone with its file held open; the caller closes it
 * @throws InputError NOT_FOUND naming the file that is missing, or what `openBackbone` throws
 */
export async function loadBackbone(directory: string): Promise<LoadedBackbone> {
  const config = await readJson(join(directory, 'config.json'));
  const preprocessor = await readJsonIfThere(join(directory, 'preprocessor_config.json'));
  const source = await fileSource(join(directory, 'model.safetensors'));
  try {
    const name = basename(resolve(directory));
    const backbone = await openBackbone({ source, config, preprocessor, name });
    return { ...backbone, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}
