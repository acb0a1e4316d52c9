/** The site's own list of its images: a CSV with the columns path, group and, where wanted, split. */
import { readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { InputError } from '#core/errors';
import type { Split } from './groups.ts';

const manifestBytesMax = 256 * 1024 * 1024;

const rowsSchema = z.array(
  z.object({
    path: z.string().min(1).max(4096),
    group: z.string().min(1).max(500),
    split: z.enum(['train', 'held-out', '']).default(''),
  }),
);

/** What the manifest says of one image. */
export interface ManifestRow {
  readonly group: string;
  /** Null where the split goes by the group's name. */
  readonly split: Split | null;
}

function invalid(file: string, what: string, cause?: unknown): InputError {
  return new InputError(
    'DATASET_INVALID',
    `${file}: expected a CSV with the columns path,group,split (split: train or held-out), ${what}; correct the manifest`,
    {},
    { cause },
  );
}

/**
 * Read a manifest; paths are below the images' folder, with forward slashes.
 *
 * @throws InputError DATASET_INVALID naming the line
 */
export async function readManifest(file: string): Promise<ReadonlyMap<string, ManifestRow>> {
  let text: string;
  try {
    if ((await stat(file)).size > manifestBytesMax) throw invalid(file, 'it is too long');
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw invalid(file, 'it cannot be read', cause);
  }
  let records: unknown;
  try {
    records = parse(text, { columns: true, skip_empty_lines: true, trim: true, bom: true });
  } catch (cause) {
    throw invalid(file, 'it does not parse', cause);
  }
  const parsed = rowsSchema.safeParse(records);
  if (!parsed.success) {
    const [row, column] = parsed.error.issues[0]?.path ?? [];
    throw invalid(file, `row ${Number(row ?? 0) + 1}: ${String(column ?? 'columns')} does not fit`);
  }
  const rows = new Map<string, ManifestRow>();
  for (const [index, { path, group, split }] of parsed.data.entries()) {
    const key = posix.normalize(path.replaceAll('\\', '/'));
    if (rows.has(key)) throw invalid(file, `row ${index + 1} names an image a second time`);
    rows.set(key, { group, split: split === '' ? null : split });
  }
  return rows;
}
