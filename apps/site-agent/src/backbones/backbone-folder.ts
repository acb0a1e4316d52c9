/** A backbone's folder on this disk: what is in it, where it came from, and whether its weights are what they were. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fingerprintBackbone, type BackboneConfiguration } from '#core/backbone';
import { loadBackbone } from '#core/engine';
import { InputError, MeloError } from '#core/errors';
import { readJsonIfPresent, systemErrorCode, writeDurably } from '../common/durable-file.ts';

/** The file in which a pull notes where a backbone came from. */
const originName = 'origin.json';
const foldersMax = 1000;

const originSchema = z.strictObject({
  version: z.literal(1),
  repository: z.string().max(256),
  revision: z.string().max(128),
  licence: z.string().max(256).nullable(),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  files: z
    .array(
      z.strictObject({
        path: z.string().max(1024),
        bytes: z.number().int().nonnegative(),
        digest: z.string().max(128).nullable(),
      }),
    )
    .max(16),
});

/** Where a pulled backbone came from, and its fingerprint on that day. */
export type BackboneOrigin = z.infer<typeof originSchema>;

/** What a folder's header and configuration say; no weight is read for it. */
export interface BackboneSummary {
  readonly name: string;
  readonly folder: string;
  readonly configuration: BackboneConfiguration;
  /** Numbers that are kept: without the pretrained classifier. */
  readonly parameters: number;
  readonly bytes: number;
  readonly origin: BackboneOrigin | null;
}

/** Read where a backbone came from; null where it was not pulled. */
export function readOrigin(folder: string): Promise<BackboneOrigin | null> {
  return readJsonIfPresent(join(folder, originName), originSchema);
}

/** Note where a backbone came from; as readable as the weights beside it. */
export function writeOrigin(folder: string, origin: BackboneOrigin): Promise<void> {
  return writeDurably(join(folder, originName), `${JSON.stringify(origin)}\n`, 0o644);
}

/**
 * Open a folder and sum up what it holds.
 *
 * @throws what `loadBackbone` throws, naming what is wrong
 */
export async function summarise(folder: string): Promise<BackboneSummary> {
  const backbone = await loadBackbone(folder);
  try {
    const { name, configuration, tensors, source } = backbone;
    let parameters = 0;
    for (const { shape } of tensors.values()) {
      parameters += shape.reduce((product, size) => product * size, 1);
    }
    const origin = await readOrigin(folder);
    return { name, folder, configuration, parameters, bytes: source.size, origin };
  } finally {
    await backbone.close();
  }
}

/** Take a folder's fingerprint: every weight is read and must be finite. */
export async function fingerprintFolder(
  folder: string,
  onProgress?: (progress: { readonly done: number; readonly total: number }) => void,
): Promise<string> {
  const backbone = await loadBackbone(folder);
  try {
    return await fingerprintBackbone(backbone, onProgress === undefined ? {} : { onProgress });
  } finally {
    await backbone.close();
  }
}

/** A folder that looks like a backbone's, opened or refused. */
export type FolderFinding =
  | { readonly folder: string; readonly summary: BackboneSummary }
  | { readonly folder: string; readonly error: MeloError };

/** Look for backbones one level below a folder; one that is not there holds none. */
export async function findBackbones(parent: string): Promise<FolderFinding[]> {
  const found: FolderFinding[] = [];
  for (const folder of await foldersIn(parent)) {
    try {
      found.push({ folder, summary: await summarise(folder) });
    } catch (error) {
      if (!(error instanceof MeloError)) throw error;
      if (!isAbsent(error)) found.push({ folder, error });
    }
  }
  return found;
}

const isAbsent = (error: MeloError): boolean =>
  error instanceof InputError && error.code === 'NOT_FOUND';

async function foldersIn(parent: string): Promise<string[]> {
  try {
    const entries = await readdir(parent, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => join(parent, name))
      .sort()
      .slice(0, foldersMax);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
