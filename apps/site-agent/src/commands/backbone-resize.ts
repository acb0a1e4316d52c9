/** `melo backbone resize`: a backbone of another image size, in a folder of its own. */
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve as absolute } from 'node:path';
import { resizeBackbone } from '#core/backbone';
import { InputError, StateError } from '#core/errors';
import { fingerprintFolder, summarise } from '../backbones/backbone-folder.ts';
import { readIfPresent, systemErrorCode, writeDurably } from '../common/durable-file.ts';
import { atPath } from '../common/path-error.ts';

/** The whole file is held in memory, twice. */
const weightsBytesMax = 2_000_000_000;
const preprocessorName = 'preprocessor_config.json';

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

const parse = (bytes: Buffer): unknown => JSON.parse(bytes.toString('utf8'));

/**
 * Write a resized backbone into a new folder, whole or not at all.
 *
 * @throws StateError ALREADY_EXISTS, InputError BACKBONE_UNSUPPORTED
 */
export async function resize(options: {
  readonly folder: string;
  readonly imageSize: number;
  readonly to: string;
  readonly isJson: boolean;
}): Promise<void> {
  const { folder, imageSize, isJson } = options;
  const target = absolute(options.to);
  if (await isThere(target)) {
    throw new StateError(
      'ALREADY_EXISTS',
      `${target}: expected no such folder, there is one and it stays as it is; name another with --to`,
    );
  }
  const { bytes: size } = await summarise(folder); // checks the files before they are read whole
  if (size > weightsBytesMax) {
    throw new InputError(
      'BACKBONE_UNSUPPORTED',
      `${folder}: expected weights of ${weightsBytesMax} bytes at most, got ${size}; resize it with timm (img_size) instead`,
      { bytes: size, bytesMax: weightsBytesMax },
    );
  }
  const preprocessor = await readIfPresent(join(folder, preprocessorName));
  const { bytes, config } = await resizeBackbone(
    {
      bytes: await readFile(join(folder, 'model.safetensors')),
      config: parse(await readFile(join(folder, 'config.json'))),
      ...(preprocessor === null ? {} : { preprocessor: parse(preprocessor) }),
    },
    imageSize,
  );
  const staging = `${target}.partial`;
  await atPath({ path: target, expected: 'a place that this user can write' }, async () => {
    await mkdir(dirname(target), { recursive: true });
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging);
  });
  await writeDurably(join(staging, 'model.safetensors'), bytes, 0o644);
  await writeDurably(join(staging, 'config.json'), `${JSON.stringify(config, null, 2)}\n`, 0o644);
  if (preprocessor !== null) {
    await writeDurably(join(staging, preprocessorName), preprocessor, 0o644);
  }
  const fingerprint = await fingerprintFolder(staging);
  await rename(staging, target);
  const text = isJson
    ? JSON.stringify({ folder: target, imageSize, fingerprint })
    : `${target}: images of ${imageSize} pixels, fingerprint ${fingerprint}`;
  process.stdout.write(`${text}\n`);
}
