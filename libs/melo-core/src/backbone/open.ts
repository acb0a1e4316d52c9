/**
 * Opens a backbone: reads a safetensors header, recognises the names, checks every shape, and reads no weight.
 *
 * The tensors decide D, L, F, P and S; `config.json` must agree and adds what tensors cannot say.
 */
import {
  decodeFloats,
  dtypeBytes,
  isFloatDtype,
  parseSafetensorsHeader,
  safetensorsHeaderLength,
  shapeSize,
  type SafetensorsEntry,
} from '#core/adapter';
import { assert, InputError } from '#core/errors';
import {
  readHuggingFaceConfiguration,
  readTimmConfiguration,
  type StatedConfiguration,
} from './read-configuration.ts';
import {
  canonicalNames,
  recogniseNames,
  spelledName,
  unsupported,
  type FileNames,
} from './tensor-names.ts';
import type { Backbone, BackboneConfiguration, ByteSource, TensorLocation } from './types.ts';

/** Dimensions of one tensor in a file, and where it lies. */
type FileTensors = ReadonlyMap<string, SafetensorsEntry>;

/**
 * Open a backbone.
 *
 * @param options - `source`: the safetensors file; only its header is read here;
 *   `config`: parsed `config.json` of timm or Hugging Face;
 *   `preprocessor`: parsed `preprocessor_config.json` of Hugging Face; without it mean and std are 0.5;
 *   `name`: for people and cards; timm's architecture by default
 * @throws InputError BACKBONE_UNSUPPORTED naming what a plain ViT does not have
 * @throws InputError TENSOR_MISSING, TENSOR_SHAPE_MISMATCH or TENSOR_DTYPE_UNSUPPORTED naming the tensor
 * @throws InputError SAFETENSORS_INVALID where the file is malformed or truncated
 */
export async function openBackbone(options: {
  readonly source: ByteSource;
  readonly config: unknown;
  readonly preprocessor?: unknown;
  readonly name?: string;
}): Promise<Backbone> {
  const { source } = options;
  const files = await readHeader(source);
  const names = recogniseNames(new Set(files.keys()));
  const stated =
    names.spelling === 'timm'
      ? readTimmConfiguration(options.config)
      : readHuggingFaceConfiguration(options.config, options.preprocessor);
  const configuration = reconcile(stated, files, names);
  const tensors = locateTensors(configuration, files, names);
  const read = async (name: string): Promise<Float32Array> => {
    const place = tensors.get(name);
    assert(place !== undefined, `backbone: there is no tensor ${name}`);
    return decodeFloats(await source.read(place.offset, place.length), place.dtype);
  };
  return { name: options.name ?? stated.name, configuration, tensors, source, read };
}

async function readHeader(source: ByteSource): Promise<FileTensors> {
  const prefix = source.size < 8 ? new Uint8Array(0) : await source.read(0, 8);
  const length = safetensorsHeaderLength(prefix, source.size);
  return parseSafetensorsHeader(await source.read(8, length), source.size).tensors;
}

function fileTensor(files: FileTensors, names: FileNames, canonical: string): SafetensorsEntry {
  const name = names.prefix + spelledName(canonical, names.spelling);
  const entry = files.get(name);
  if (entry !== undefined) return entry;
  throw new InputError(
    'TENSOR_MISSING',
    `backbone: expected tensor ${name}, the file has none; use a complete file of a plain ViT`,
    { tensor: name },
  );
}

/** Take P and S from the tensors, and check that the configuration files say the same. */
function reconcile(
  stated: StatedConfiguration,
  files: FileTensors,
  names: FileNames,
): BackboneConfiguration {
  const { dimension, blocks, heads, mlpDimension } = stated.size;
  if (blocks !== names.blocks) {
    throw unsupported(`config.json says ${blocks} blocks, the file has ${names.blocks}`, 'blocks');
  }
  if (dimension % heads !== 0) {
    throw unsupported(`${dimension} is no multiple of ${heads} heads`, 'heads');
  }
  const patch = fileTensor(files, names, 'patch_embed.proj.weight').shape;
  const patchSize = patch[3] ?? 0;
  if (patch.length !== 4 || patch[1] !== 3 || patch[2] !== patchSize || patchSize < 1) {
    throw shapeMismatch('patch_embed.proj.weight', `(${dimension}, 3, P, P)`, patch);
  }
  const position = fileTensor(files, names, 'pos_embed').shape; // (1,T,D)
  const grid = Math.round(Math.sqrt((position[1] ?? 0) - 1));
  if (position.length !== 3 || grid < 1 || grid * grid + 1 !== position[1]) {
    throw shapeMismatch('pos_embed', `(1, n * n + 1, ${dimension})`, position);
  }
  const imageSize = grid * patchSize;
  if ((stated.patchSize ?? patchSize) !== patchSize) {
    throw unsupported(
      `config.json says patches of ${stated.patchSize} pixels, the file has ${patchSize}`,
      'patch_size',
    );
  }
  if ((stated.imageSize ?? imageSize) !== imageSize) {
    throw unsupported(
      `config.json says images of ${stated.imageSize} pixels, the file has positions for ${imageSize}`,
      'image_size',
    );
  }
  const { layerNormEpsilon, mean, std } = stated;
  return {
    ...{
      dimension,
      blocks,
      heads,
      mlpDimension,
      patchSize,
      imageSize,
      layerNormEpsilon,
      mean,
      std,
    },
    channels: 3,
    activation: 'gelu',
    pooling: 'cls',
  };
}

/** Find every canonical tensor; q, k and v of a fused qkv are thirds of its rows. */
function locateTensors(
  configuration: BackboneConfiguration,
  files: FileTensors,
  names: FileNames,
): ReadonlyMap<string, TensorLocation> {
  const tensors = new Map<string, TensorLocation>();
  for (const name of canonicalNames(configuration.blocks)) {
    const entry = fileTensor(files, names, name);
    const shape = tensorShape(name, configuration);
    const part = names.spelling === 'timm' ? /\.attn\.([qkv])\./.exec(name)?.[1] : undefined;
    const stored = part === undefined ? shape : [3 * (shape[0] ?? 0), ...shape.slice(1)];
    if (entry.shape.join() !== stored.join()) {
      throw shapeMismatch(
        names.prefix + spelledName(name, names.spelling),
        `(${stored.join(', ')})`,
        entry.shape,
      );
    }
    const { dtype } = entry;
    if (!isFloatDtype(dtype)) {
      throw new InputError(
        'TENSOR_DTYPE_UNSUPPORTED',
        `backbone: tensor ${name}: expected F32, F16 or BF16, got ${dtype}; convert the file to float32`,
        { tensor: name, dtype },
      );
    }
    const length = shapeSize(shape) * dtypeBytes[dtype];
    const third = part === undefined ? 0 : 'qkv'.indexOf(part);
    tensors.set(name, { shape, dtype, offset: entry.offset + third * length, length });
  }
  return tensors;
}

/** Shape of a canonical tensor, as `types.ts` lists them. */
export function tensorShape(name: string, configuration: BackboneConfiguration): number[] {
  const { dimension: D, mlpDimension: F, patchSize: P, imageSize: S } = configuration;
  if (name === 'cls_token') return [1, 1, D];
  if (name === 'pos_embed') return [1, (S / P) ** 2 + 1, D];
  if (name === 'patch_embed.proj.weight') return [D, 3, P, P];
  if (name.endsWith('.mlp.fc1.weight')) return [F, D];
  if (name.endsWith('.mlp.fc1.bias')) return [F];
  if (name.endsWith('.mlp.fc2.weight')) return [D, F];
  return /\.attn\.\w+\.weight$/.test(name) ? [D, D] : [D];
}

function shapeMismatch(tensor: string, expected: string, actual: readonly number[]): InputError {
  return new InputError(
    'TENSOR_SHAPE_MISMATCH',
    `backbone: tensor ${tensor}: expected ${expected}, got (${actual.join(', ')}); use the config.json that came with the weights`,
    { tensor, actual },
  );
}
