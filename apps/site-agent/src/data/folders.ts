/** Find the images below a folder and the class of each; links that lead out of the folder are not followed. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join, posix, sep } from 'node:path';
import { InputError } from '#core/errors';

const imageExtensions: ReadonlySet<string> = new Set([
  '.jpg',
  '.jpeg',
  '.png',
  '.webp',
  '.tif',
  '.tiff',
]);
const depthMax = 8;
const filesMax = 2_000_000;

/** A file found, by its path below the images' folder with forward slashes. */
export interface FoundImage {
  readonly path: string;
  readonly classIndex: number;
}

/** Files below a folder. */
export interface ImageList {
  /** Below the folder, with forward slashes. */
  readonly paths: readonly string[];
  /** Files with another ending and links that lead outside. */
  readonly ignored: number;
}

/** What a walk found. */
export interface FolderScan {
  readonly images: readonly FoundImage[];
  /** Files with another ending and links that lead outside. */
  readonly ignored: number;
}

async function isInside(path: string, root: string): Promise<boolean> {
  const real = await realpath(path).catch(() => null); // a dangling link leads nowhere
  return real !== null && real.startsWith(root + sep);
}

interface Found {
  readonly paths: string[];
  ignored: number;
}

async function walk(root: string, relative: string, depth: number, found: Found): Promise<void> {
  const entries = await readdir(join(root, relative), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const path = posix.join(relative, entry.name);
    let [isDirectory, isFile] = [entry.isDirectory(), entry.isFile()];
    if (entry.isSymbolicLink() && (await isInside(join(root, path), root))) {
      isFile = (await stat(join(root, path))).isFile(); // a link to a folder could make a circle
      isDirectory = false;
    }
    if (isDirectory && depth < depthMax) await walk(root, path, depth + 1, found);
    else if (isFile && imageExtensions.has(extname(entry.name).toLowerCase()))
      found.paths.push(path);
    else found.ignored += 1;
    if (found.paths.length > filesMax) {
      throw new InputError(
        'DATASET_INVALID',
        `images: expected ${filesMax} files at most; point the task at a smaller folder`,
      );
    }
  }
}

/** Tell the class of a folder: its own entry or that of the nearest folder above it. */
function mappedClass(folder: string, mapping: ReadonlyMap<string, string>): string | undefined {
  for (let part = folder; part !== '.' && part !== ''; part = posix.dirname(part)) {
    const name = mapping.get(part);
    if (name !== undefined) return name;
  }
  return undefined;
}

function classIndexes(
  mapping: ReadonlyMap<string, string>,
  classes: readonly string[],
): ReadonlyMap<string, number> {
  const indexes = new Map<string, number>();
  for (const name of mapping.values()) {
    const index = classes.indexOf(name);
    if (index < 0) {
      throw new InputError(
        'DATASET_INVALID',
        `classFolders: expected classes of the task (${classes.join(', ')}), got ${name}; correct the task's entry`,
      );
    }
    indexes.set(name, index);
  }
  return indexes;
}

/**
 * List the images below a folder, whatever folder they are in.
 *
 * @throws InputError DATASET_INVALID where the folder cannot be read
 */
export async function listImages(directory: string): Promise<ImageList> {
  const found: Found = { paths: [], ignored: 0 };
  await walk(await realDirectory(directory), '', 0, found);
  return found;
}

/**
 * List the images of a task and the class of each.
 *
 * @throws InputError DATASET_UNMAPPED_FOLDER naming the folders with images that belong to no class
 */
export async function scanFolders(options: {
  readonly directory: string;
  readonly classes: readonly string[];
  readonly classFolders?: Readonly<Record<string, string>> | undefined;
}): Promise<FolderScan> {
  const { directory, classes, classFolders } = options;
  const mapping = new Map(
    classFolders === undefined
      ? classes.map((name): [string, string] => [name, name])
      : Object.entries(classFolders).map(([folder, name]): [string, string] => [
          posix.normalize(folder.replaceAll('\\', '/')).replace(/\/$/, ''),
          name,
        ]),
  );
  const indexes = classIndexes(mapping, classes);
  const found = await listImages(directory);
  const unmapped = new Set<string>();
  const images: FoundImage[] = [];
  for (const path of found.paths) {
    const folder = posix.dirname(path);
    const classIndex = indexes.get(mappedClass(folder, mapping) ?? '');
    if (classIndex === undefined) unmapped.add(folder);
    else images.push({ path, classIndex });
  }
  if (unmapped.size > 0) throw unmappedFolders(directory, [...unmapped], classes);
  return { images, ignored: found.ignored };
}

async function realDirectory(directory: string): Promise<string> {
  try {
    return await realpath(directory);
  } catch (cause) {
    throw new InputError(
      'DATASET_INVALID',
      `${directory}: expected the folder of images, it cannot be read; correct \`images\` of the task`,
      {},
      { cause },
    );
  }
}

function unmappedFolders(
  directory: string,
  folders: readonly string[],
  classes: readonly string[],
): InputError {
  const shown = folders.slice(0, 5).map((folder) => (folder === '.' ? '(top)' : folder));
  const more = folders.length > 5 ? ` and ${folders.length - 5} more` : '';
  return new InputError(
    'DATASET_UNMAPPED_FOLDER',
    `${directory}: expected every folder of images to be mapped to a class (${classes.join(', ')}), not so: ${shown.join(', ')}${more}; add them under classFolders, e.g. \`${shown[0] ?? ''}: ${classes[0] ?? ''}\`, or move them out`,
    { folders: shown },
  );
}
