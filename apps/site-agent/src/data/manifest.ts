/**
 * The site's own list of its images: a CSV with the columns path, group and, where wanted, split.
 *
 * For a task whose images have several classes at once or none it has a column for each class besides: 1 present, 0 absent, empty
 * where it is not known.
 */
import { readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { InputError } from '#core/errors';
import { finding, type Finding } from '#core/evaluation';
import type { Split } from './groups.ts';

const manifestBytesMax = 256 * 1024 * 1024;

const rowSchema = z
  .object({
    path: z.string().min(1).max(4096),
    group: z.string().min(1).max(500),
    split: z.enum(['train', 'held-out', '']).default(''),
  })
  .catchall(z.string());
type Row = z.infer<typeof rowSchema>;

const ownColumns: ReadonlySet<string> = new Set(Object.keys(rowSchema.shape));
const findingOf: ReadonlyMap<string, Finding> = new Map([
  ['1', finding.present],
  ['0', finding.absent],
  ['', finding.unknown],
]);

/** What the manifest says of one image. */
export interface ManifestRow {
  readonly group: string;
  /** Null where the split goes by the group's name. */
  readonly split: Split | null;
  /** Of each class, (C); null where the manifest has no column of a class. */
  readonly findings: readonly Finding[] | null;
}

function invalid(file: string, what: string, cause?: unknown): InputError {
  return new InputError(
    'DATASET_INVALID',
    `${file}: expected a CSV with the columns path,group,split (split: train or held-out), ${what}; correct the manifest`,
    {},
    { cause },
  );
}

/** Read the rows; names of columns and values are as they stand, without spaces around them. */
async function readRows(file: string): Promise<Row[]> {
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
  const parsed = z.array(rowSchema).safeParse(records);
  if (parsed.success) return parsed.data;
  const [row, column] = parsed.error.issues[0]?.path ?? [];
  throw invalid(file, `row ${Number(row ?? 0) + 1}: ${String(column ?? 'columns')} does not fit`);
}

/**
 * Read a manifest; paths are below the images' folder, with forward slashes.
 *
 * @param classes - whose columns are findings, in their order; none where every image has one class by its folder
 * @throws InputError DATASET_INVALID naming the row, or the classes without a column where others have one
 */
export async function readManifest(
  file: string,
  classes: readonly string[] = [],
): Promise<ReadonlyMap<string, ManifestRow>> {
  const records = await readRows(file);
  const hasFindings = hasClassColumns(file, records, classes);
  const rows = new Map<string, ManifestRow>();
  for (const [index, record] of records.entries()) {
    const { path, group, split } = record;
    const key = posix.normalize(path.replaceAll('\\', '/'));
    if (rows.has(key)) throw invalid(file, `row ${index + 1} names an image a second time`);
    const findings = hasFindings
      ? classes.map((name) => readFinding(file, index, name, record[name]))
      : null;
    rows.set(key, { group, split: split === '' ? null : split, findings });
  }
  return rows;
}

/** A manifest has a column for every class of a task or for none: a misspelt one would pass as not known. */
function hasClassColumns(
  file: string,
  records: readonly Row[],
  classes: readonly string[],
): boolean {
  const columns = new Set(Object.keys(records[0] ?? {}).filter((name) => !ownColumns.has(name)));
  const missing = classes.filter((name) => !columns.has(name));
  if (missing.length === classes.length) return false;
  if (missing.length === 0) return true;
  throw invalid(file, `there is a column for some classes and none for ${missing.join(', ')}`);
}

function readFinding(file: string, index: number, name: string, text: string | undefined): Finding {
  const value = findingOf.get(text ?? '');
  if (value !== undefined) return value;
  throw invalid(file, `row ${index + 1}: column ${name} is not 1, 0 or empty`);
}

/** Names of the columns that hold 1, 0 or nothing throughout, and so may be findings of classes. */
export async function findingColumns(file: string): Promise<string[]> {
  const records = await readRows(file);
  return Object.keys(records[0] ?? {}).filter(
    (name) => !ownColumns.has(name) && records.every((record) => findingOf.has(record[name] ?? '')),
  );
}
