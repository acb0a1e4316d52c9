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
import { classTokenCount, positionCount } from './architecture.ts';
import type { StatedConfiguration } from './read-configuration.ts';
import { readHuggingFaceConfiguration } from './read-hugging-face.ts';
import { readTimmConfiguration } from './read-timm.ts';
import {
  canonicalNames,
  checkAllKnown,
  evaName,
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
      : readHuggingFaceConfiguration(options.config, options.preprocessor, names.spelling);
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

/** A tensor as the file has it, under which name. */
interface FoundTensor {
  readonly name: string;
  readonly entry: SafetensorsEntry;
}

function fileTensor(files: FileTensors, names: FileNames, canonical: string): FoundTensor {
  const name = names.prefix + spelledName(canonical, names.spelling);
  const other = names.spelling === 'timm' ? evaName(canonical) : null;
  for (const candidate of other === null ? [name] : [other, name]) {
    const entry = files.get(candidate);
    if (entry !== undefined) return { name: candidate, entry };
  }
  throw new InputError(
    'TENSOR_MISSING',
    `backbone: expected tensor ${name}, the file has none; use a complete file`,
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
  const isRotary = stated.options.positions === 'rotary';
  if (dimension % heads !== 0 || (isRotary && (dimension / heads) % 4 !== 0)) {
    throw unsupported(`${dimension} is no multiple of ${heads} heads`, 'heads');
  }
  const patch = fileTensor(files, names, 'patch_embed.proj.weight').entry.shape;
  const patchSize = patch[3] ?? 0;
  if (patch.length !== 4 || patch[1] !== 3 || patch[2] !== patchSize || patchSize < 1) {
    throw shapeMismatch('patch_embed.proj.weight', `(${dimension}, 3, P, P)`, patch);
  }
  if ((stated.patchSize ?? patchSize) !== patchSize) {
    throw unsupported(
      `config.json says patches of ${stated.patchSize} pixels, the file has ${patchSize}`,
      'patch_size',
    );
  }
  const imageSize = isRotary
    ? rotaryImageSize(stated.imageSize, patchSize)
    : tableImageSize(stated, files, names, patchSize);
  const { layerNormEpsilon, activation, pooling, mean, std, options } = stated;
  return {
    ...{ dimension, blocks, heads, mlpDimension, patchSize, imageSize, layerNormEpsilon },
    ...{ channels: 3, activation, pooling, mean, std },
    ...options,
  };
}

/** Rotary positions fit any size: the one that the configuration states is run. */
function rotaryImageSize(imageSize: number | null, patchSize: number): number {
  if (imageSize !== null && imageSize % patchSize === 0) return imageSize;
  throw unsupported(
    `config.json says images of ${imageSize ?? 'no size'}, no multiple of patches of ${patchSize}`,
    'image_size',
  );
}

/** A learned table of positions fits one size, which the configuration must state too. */
function tableImageSize(
  stated: StatedConfiguration,
  files: FileTensors,
  names: FileNames,
  patchSize: number,
): number {
  const { shape } = fileTensor(files, names, 'pos_embed').entry; // (1,rows,D), or (rows,D) in CLIP
  const rows = shape.at(-2) ?? 0;
  const before = stated.options.positions === 'patches' ? 0 : classTokenCount(stated);
  const grid = Math.round(Math.sqrt(rows - before));
  if (shape.length < 2 || grid < 1 || grid * grid + before !== rows) {
    const expected = `(1, n * n + ${before}, ${stated.size.dimension})`;
    throw shapeMismatch('pos_embed', expected, shape);
  }
  const imageSize = grid * patchSize;
  if ((stated.imageSize ?? imageSize) !== imageSize) {
    throw unsupported(
      `config.json says images of ${stated.imageSize} pixels, the file has positions for ${imageSize}`,
      'image_size',
    );
  }
  return imageSize;
}

/** Find every canonical tensor; q, k and v of a fused qkv are thirds of its rows. */
function locateTensors(
  configuration: BackboneConfiguration,
  files: FileTensors,
  names: FileNames,
): ReadonlyMap<string, TensorLocation> {
  const tensors = new Map<string, TensorLocation>();
  const used = new Set<string>();
  for (const canonical of canonicalNames(configuration)) {
    const { name, entry } = fileTensor(files, names, canonical);
    used.add(name);
    tensors.set(canonical, locate(canonical, configuration, name, entry));
  }
  checkAllKnown(new Set(files.keys()), used);
  return tensors;
}

function locate(
  canonical: string,
  configuration: BackboneConfiguration,
  name: string,
  { shape: actual, dtype, offset }: SafetensorsEntry,
): TensorLocation {
  const shape = tensorShape(canonical, configuration);
  const part = name.includes('.attn.qkv.') ? /\.attn\.([qkv])\./.exec(canonical)?.[1] : undefined;
  const stored = part === undefined ? shape : [3 * (shape[0] ?? 0), ...shape.slice(1)];
  // CLIP keeps its token and its positions without the axes of length one.
  const isSame = (expected: readonly number[]): boolean => actual.join() === expected.join();
  const isSqueezed = /_token$|^pos_embed$/.test(canonical) && isSame(shape.filter((n) => n !== 1));
  if (!isSame(stored) && !isSqueezed) {
    throw shapeMismatch(name, `(${stored.join(', ')})`, actual);
  }
  if (!isFloatDtype(dtype)) {
    throw new InputError(
      'TENSOR_DTYPE_UNSUPPORTED',
      `backbone: tensor ${name}: expected F32, F16 or BF16, got ${dtype}; convert the file to float32`,
      { tensor: name, dtype },
    );
  }
  const length = shapeSize(shape) * dtypeBytes[dtype];
  const third = part === undefined ? 0 : 'qkv'.indexOf(part);
  return { shape, dtype, offset: offset + third * length, length };
}

/** Shape of a canonical tensor, as `types.ts` lists them. */
export function tensorShape(name: string, configuration: BackboneConfiguration): number[] {
  const { dimension: D, mlpDimension: F, patchSize: P } = configuration;
  if (name === 'cls_token' || name === 'dist_token') return [1, 1, D];
  if (name === 'reg_token') return [1, configuration.registers ?? 0, D];
  if (name === 'pos_embed') return [1, positionCount(configuration), D];
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
