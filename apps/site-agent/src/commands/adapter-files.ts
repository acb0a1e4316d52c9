/** Adapters of any known format on disk: found, read within limits, recognised; and the backbone a card speaks of. */
import { open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { decodeAdapterFile, type AdapterCard, type AdapterFile } from '#core/adapter';
import { fingerprintBackbone } from '#core/backbone';
import { loadBackbone } from '#core/engine';
import { InputError } from '#core/errors';
import {
  decodeOfficial,
  decodePeft,
  peftFileNames,
  recogniseFormat,
  type AdapterFormat,
  type AdapterNumbers,
  type ForeignAdapter,
} from '#core/formats';
import { limits } from '#core/protocol';
import { atPath, type NamedPath } from '../common/path-error.ts';

/** Where a command's lines go. */
export interface CommandOutput {
  /** The result. */
  readonly say: (line: string) => void;
  /** What a person should know beside it. */
  readonly warn: (line: string) => void;
}

/** Standard output and standard error. */
export const standardOutput: CommandOutput = {
  say: (line) => void process.stdout.write(`${line}\n`),
  warn: (line) => void process.stderr.write(`${line}\n`),
};

/** Bytes of a JSON file beside an adapter at most. */
const jsonBytesMax = 1024 * 1024;

/** An adapter out of a file, of whatever format. */
export type AnyAdapter =
  | { readonly format: 'melo'; readonly bytes: Uint8Array; readonly file: AdapterFile }
  | {
      readonly format: 'peft' | 'official';
      readonly bytes: Uint8Array;
      readonly foreign: ForeignAdapter;
    };

/** What a file cannot say of itself. */
export interface ReadOptions {
  /** The format it must have; recognised by its header where it is left out. */
  readonly from?: AdapterFormat | undefined;
  /** L of the backbone. */
  readonly blocks?: number | undefined;
  /** Of PEFT: the attribute that holds the vision model; `vit` where it is left out. */
  readonly peftModel?: string | undefined;
  /** Of an official file whose name does not say it. */
  readonly alpha?: number | undefined;
  /** Of an official file with some blocks alone. */
  readonly adaptedBlocks?: readonly number[] | undefined;
}

/** A file that a command reads. */
const readable = (path: string): NamedPath => ({
  path,
  expected: 'a file that can be read',
  code: 'NOT_FOUND',
});

/**
 * Read a whole file, if it is within a limit.
 *
 * @throws InputError NOT_FOUND or PAYLOAD_TOO_LARGE
 */
export async function readWithin(path: string, bytesMax: number): Promise<Uint8Array> {
  return atPath(readable(path), async () => {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > bytesMax) {
        throw new InputError(
          'PAYLOAD_TOO_LARGE',
          `${path}: expected at most ${bytesMax} bytes, it has ${size}; check that it is an adapter and not a whole model`,
          { bytes: size, bytesMax },
        );
      }
      return new Uint8Array(await handle.readFile());
    } finally {
      await handle.close();
    }
  });
}

/**
 * Read a JSON file, unparsed by any schema yet.
 *
 * @throws InputError NOT_FOUND, PAYLOAD_TOO_LARGE or ADAPTER_INVALID
 */
export async function readJsonFile(path: string): Promise<unknown> {
  const bytes = await readWithin(path, jsonBytesMax);
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return value;
  } catch (cause) {
    throw new InputError(
      'ADAPTER_INVALID',
      `${path}: expected JSON, got something else; save or fetch the file again`,
      {},
      { cause },
    );
  }
}

async function isPresent(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Find the safetensors file that a path means: itself, or the one in a folder of PEFT. */
async function locate(path: string): Promise<string> {
  if (basename(path) === peftFileNames.config) return join(dirname(path), peftFileNames.model);
  const isDirectory = (await atPath(readable(path), () => stat(path))).isDirectory();
  const model = isDirectory ? join(path, peftFileNames.model) : path;
  const isPickleAlone =
    isDirectory && !(await isPresent(model)) && (await isPresent(join(path, 'adapter_model.bin')));
  if (isPickleAlone || /\.(?:bin|pt|pth|ckpt|pkl)$/.test(path)) {
    throw new InputError(
      'ADAPTER_UNSUPPORTED',
      `${path}: expected safetensors, it is a pickle, which could run code and is never opened; save it with safe_serialization=True`,
      {},
    );
  }
  return model;
}

/**
 * Read an adapter of any known format.
 *
 * @param path - a file, or a folder as PEFT saves it
 * @throws InputError of the format's reader, its message led by the path
 */
export async function readAnyAdapter(path: string, options: ReadOptions = {}): Promise<AnyAdapter> {
  const file = await locate(path);
  const bytes = await readWithin(file, limits.updateBytesMax);
  try {
    const format = recogniseFormat(bytes);
    if (options.from !== undefined && options.from !== format) {
      throw new InputError(
        'ADAPTER_INVALID',
        `expected an adapter of format ${options.from}, its header is that of ${format}; leave --from out`,
        { format },
      );
    }
    if (format === 'melo') return { format, bytes, file: decodeAdapterFile(bytes) };
    const { alpha, blocks, adaptedBlocks } = options;
    if (format === 'official') {
      const fileName = basename(file);
      const foreign = decodeOfficial({ bytes, fileName, alpha, blocks, adaptedBlocks });
      return { format, bytes, foreign };
    }
    const config = await readJsonFile(join(dirname(file), peftFileNames.config));
    const foreign = decodePeft({ bytes, config, blocks, model: options.peftModel });
    return { format, bytes, foreign };
  } catch (cause) {
    if (!(cause instanceof InputError) || cause.message.startsWith(path)) throw cause;
    throw new InputError(cause.code, `${path}: ${cause.message}`, cause.details, { cause });
  }
}

/** Take an adapter's numbers. */
export function numbersOf(adapter: AnyAdapter): AdapterNumbers {
  return adapter.format === 'melo' ? adapter.file : adapter.foreign;
}

/** Take an adapter's card: its own, or the one our writer left in another tool's file. */
export function cardOf(adapter: AnyAdapter): AdapterCard | null {
  return adapter.format === 'melo' ? adapter.file.card : (adapter.foreign.origin?.card ?? null);
}

/** What a card says of a backbone and its images. */
export interface BackboneDetails {
  readonly backbone: AdapterCard['backbone'];
  readonly preprocessing: AdapterCard['preprocessing'];
}

/**
 * Read what a card says of a backbone from its folder, fingerprint and all.
 *
 * @throws InputError as `loadBackbone` and `fingerprintBackbone`
 */
export async function describeBackbone(directory: string): Promise<BackboneDetails> {
  const backbone = await loadBackbone(directory);
  try {
    const { dimension, blocks, patchSize, imageSize, mean, std } = backbone.configuration;
    const fingerprint = await fingerprintBackbone(backbone);
    const { name } = backbone;
    return {
      backbone: { name, fingerprint, dimension, blocks, patchSize, imageSize },
      preprocessing: {
        ...{ version: 1, imageSize, resize: 'fill', crop: 'none', kernel: 'cubic' },
        ...{ channels: 'rgb', mean: [...mean], std: [...std] },
      },
    };
  } finally {
    await backbone.close();
  }
}
