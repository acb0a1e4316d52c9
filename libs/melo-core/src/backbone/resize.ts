/**
 * Makes a backbone of another image size out of one: the positions of its patches are resampled, its configuration says so, all
 * else stays. It is a backbone of its own, with a fingerprint of its own.
 */
import { decodeSafetensors, encodeFloats, encodeSafetensorsBytes, shapeSize } from '#core/adapter';
import { z } from 'zod';
import { patchCount, positionCount } from './architecture.ts';
import { memorySource } from './memory-source.ts';
import { openBackbone } from './open.ts';
import { resamplePositions } from './resample-positions.ts';
import { recogniseNames, spelledName, unsupported } from './tensor-names.ts';

/** Pixels along one side at most. */
const imageSizeMax = 2048;
const objectSchema = z.record(z.string(), z.unknown());

/** A backbone's files, parsed. */
export interface ResizableFiles {
  /** `model.safetensors`. */
  readonly bytes: Uint8Array;
  /** `config.json`. */
  readonly config: unknown;
  /** `preprocessor_config.json`; undefined where there is none. */
  readonly preprocessor?: unknown;
}

/**
 * Resize a backbone.
 *
 * @param files - of the backbone, not changed
 * @param imageSize - S' in pixels, a multiple of the patch size, 2048 at most
 * @returns `bytes` and `config` of the new one; its preprocessor's file is the same
 * @throws InputError BACKBONE_UNSUPPORTED where the size does not fit, and what `openBackbone` throws
 */
export async function resizeBackbone(
  files: ResizableFiles,
  imageSize: number,
): Promise<{ readonly bytes: Uint8Array; readonly config: Readonly<Record<string, unknown>> }> {
  const { bytes, config, preprocessor } = files;
  const backbone = await openBackbone({
    source: memorySource(bytes),
    config,
    preprocessor,
  });
  const { configuration } = backbone;
  const { patchSize, dimension } = configuration;
  if (imageSize % patchSize !== 0 || imageSize < patchSize || imageSize > imageSizeMax) {
    throw unsupported(
      `images of ${imageSize} pixels are asked for, no multiple of ${patchSize} up to ${imageSizeMax}`,
      'image_size',
    );
  }
  const { tensors, metadata } = decodeSafetensors(bytes);
  const { prefix, spelling } = recogniseNames(new Set(tensors.keys()));
  const list = [...tensors].map(([name, tensor]) => ({ name, ...tensor }));
  const written = { config: resizedConfig(config, imageSize, spelling === 'timm') };
  if (configuration.positions === 'rotary') {
    return { bytes: encodeSafetensorsBytes({ tensors: list, metadata }), ...written };
  }
  const table = await backbone.read('pos_embed'); // (rows,D), those of class tokens first
  const classes = (positionCount(configuration) - patchCount(configuration)) * dimension;
  const patches = resamplePositions(table.subarray(classes), {
    before: configuration.imageSize / patchSize,
    after: imageSize / patchSize,
    dimension,
  });
  const values = new Float32Array(classes + patches.length);
  values.set(table.subarray(0, classes));
  values.set(patches, classes);
  const tableName = prefix + spelledName('pos_embed', spelling);
  const resized = list.map((tensor) => {
    if (tensor.name !== tableName) return tensor;
    const shape = [...tensor.shape.slice(0, -2), values.length / dimension, dimension];
    const stored = { ...tensor, dtype: 'F32' as const, shape };
    return { ...stored, data: encodeFloats(values.subarray(0, shapeSize(shape)), 'F32') };
  });
  return { bytes: encodeSafetensorsBytes({ tensors: resized, metadata }), ...written };
}

/** State the new size where the library states it. */
function resizedConfig(
  config: unknown,
  imageSize: number,
  isTimm: boolean,
): Readonly<Record<string, unknown>> {
  const before = objectSchema.parse(config);
  const inside = (name: string): Record<string, unknown> =>
    objectSchema.catch({}).parse(before[name]);
  if (isTimm) {
    return {
      ...before,
      model_args: { ...inside('model_args'), img_size: imageSize },
      pretrained_cfg: { ...inside('pretrained_cfg'), input_size: [3, imageSize, imageSize] },
    };
  }
  if (before['model_type'] !== 'clip') return { ...before, image_size: imageSize };
  return { ...before, vision_config: { ...inside('vision_config'), image_size: imageSize } };
}
