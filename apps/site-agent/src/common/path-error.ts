/** Paths that people name: what the system says of a wrong one, or of one without rights, told as their mistake and not as a fault of the program. */
import { InputError, MeloError } from '#core/errors';
import { systemErrorCode } from './durable-file.ts';

const reasons: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'this user has no right to it'],
  ['EPERM', 'this user has no right to it'],
  ['EROFS', 'its disk can only be read'],
  ['ENOENT', 'it, or the folder that it lies in, is not there'],
  ['ENOTDIR', 'part of the path is a file'],
  ['EISDIR', 'it is a folder'],
  ['EEXIST', 'something else is in its place'],
  ['ELOOP', 'its links lead in a circle'],
  ['ENAMETOOLONG', 'its name is too long'],
]);

/** A path, and what is wanted of it. */
export interface NamedPath {
  readonly path: string;
  /** What it should have been, e.g. `a file that can be read`. */
  readonly expected: string;
  /** Who named it: the command line (USAGE), where nothing else is said, or the configuration. */
  readonly code?: 'USAGE' | 'NOT_FOUND' | 'CONFIG_INVALID';
}

/**
 * Do something with a path that a person named.
 *
 * @throws InputError of the path's code where it is wrong or without rights; any other failure as it is
 */
export async function atPath<T>(
  { path, expected, code = 'USAGE' }: NamedPath,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const found = systemErrorCode(cause) ?? '';
    const reason = reasons.get(found);
    if (cause instanceof MeloError || reason === undefined) throw cause;
    const message = `${path}: expected ${expected}, ${reason} (${found}); check the path and its permissions`;
    throw new InputError(code, message, {}, { cause });
  }
}
