/** `melo adapter predict`: use an adapter on images of this machine. */
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterNotice, decodeAdapterFile, type AdapterFile } from '#core/adapter';
import { fingerprintBackbone } from '#core/backbone';
import { createEngine, loadBackbone, type EngineModel } from '#core/engine';
import { InputError } from '#core/errors';
import { softmaxScores } from '#core/evaluation';
import { decodeImage } from '../data/decode-image.ts';
import { normaliseImage } from '../data/normalise.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function readAdapter(file: string): Promise<AdapterFile> {
  try {
    return decodeAdapterFile(new Uint8Array(await readFile(file)));
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError(
      'ADAPTER_INVALID',
      `${file}: expected an adapter file, it cannot be read; check the path`,
      {},
      { cause },
    );
  }
}

async function predictOne(
  model: EngineModel,
  { card, values }: AdapterFile,
  image: string,
): Promise<Record<string, number>> {
  const pixels = await decodeImage(image, card.preprocessing);
  const logits = await model.predict(normaliseImage(pixels, card.preprocessing), 1, values);
  const { scores } = softmaxScores(logits);
  return Object.fromEntries(card.classes.map((name, index) => [name, scores[index] ?? 0]));
}

function print(image: string, shares: Readonly<Record<string, number>>, isJson: boolean): void {
  if (isJson) {
    say(JSON.stringify({ event: 'prediction', image, probabilities: shares }));
    return;
  }
  const parts = Object.entries(shares).map(
    ([name, share]) => `${name} ${(100 * share).toFixed(1)} %`,
  );
  say(`${image}: ${parts.join(', ')}`);
}

/**
 * Print class probabilities of each image; one that cannot be read is named and the others go on.
 *
 * @returns how many images failed
 * @throws InputError BACKBONE_MISMATCH where the backbone is not the adapter's
 */
export async function predictImages(options: {
  readonly adapter: string;
  readonly images: readonly string[];
  readonly backbone: string;
  readonly isJson: boolean;
}): Promise<number> {
  process.stderr.write(`${adapterNotice}\n`);
  const adapter = await readAdapter(options.adapter);
  const backbone = await loadBackbone(options.backbone);
  try {
    const fingerprint = await fingerprintBackbone(backbone);
    const expected = adapter.card.backbone;
    if (fingerprint !== expected.fingerprint) {
      throw new InputError(
        'BACKBONE_MISMATCH',
        `${options.backbone}: expected ${expected.name} with fingerprint ${expected.fingerprint.slice(0, 16)}..., it has ${fingerprint.slice(0, 16)}...; use the backbone the adapter was trained on`,
        { expected: expected.fingerprint, actual: fingerprint },
      );
    }
    const engine = await createEngine({
      engine: 'onnx',
      cacheDirectory: join(tmpdir(), 'melo-engine-cache'),
    });
    const model = await engine.load(backbone, adapter.specification);
    try {
      return await predictEach(model, adapter, options);
    } finally {
      await model.dispose();
    }
  } finally {
    await backbone.close();
  }
}

async function predictEach(
  model: EngineModel,
  adapter: AdapterFile,
  { images, isJson }: { readonly images: readonly string[]; readonly isJson: boolean },
): Promise<number> {
  let failed = 0;
  for (const image of images) {
    try {
      print(image, await predictOne(model, adapter, image), isJson);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      failed += 1;
      process.stderr.write(`${error.message}\n`);
      if (isJson) say(JSON.stringify({ event: 'unreadable', image, code: error.code }));
    }
  }
  if (failed > 0) process.stderr.write(`${failed} of ${images.length} images could not be read\n`);
  return failed;
}
