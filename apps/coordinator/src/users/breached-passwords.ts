/**
 * Passwords known from breaches, looked up in a file of the operator's: nobody outside is asked, so nobody learns of anybody's.
 *
 * The file is the one that the downloader of Have I Been Pwned writes: a line for each password, its SHA-1 in upper-case hexadecimal and how often
 * it was seen, in ascending order of the hashes. Some 40 GB for all of them, which are searched where they lie.
 */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { InputError, UnavailableError } from '#core/errors';

const hashCharacters = 40;
const linePattern = /^[0-9A-F]{40}(?::\d{1,12})?\r?(?:\n|$)/;
/** Longer than any line. */
const lineBytesMax = 64;
/** So much is read at once in the end. */
const blockBytes = 8192;

/** Do something with a file that is open meanwhile. */
async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<string> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.toString('latin1', 0, bytesRead);
}

/**
 * Look for a hash in a file of lines in ascending order.
 *
 * Every line before `low` has a smaller hash, every line that begins at `high` or later has a greater one.
 */
async function hasLine(file: FileHandle, hash: string): Promise<boolean> {
  let [low, high] = [0, (await file.stat()).size];
  while (high - low > blockBytes) {
    const middle = Math.floor((low + high) / 2);
    const text = await readAt(file, middle, 2 * lineBytesMax);
    const start = text.indexOf('\n') + 1;
    if (start === 0) return false; // lines of that length there are none of: not such a file any more
    const found = text.slice(start, start + hashCharacters);
    if (found === hash) return true;
    if (found.length === hashCharacters && found < hash) low = middle + start;
    else high = middle;
  }
  const text = await readAt(file, low, high - low + lineBytesMax);
  return text.split('\n').some((line) => line.startsWith(hash));
}

/**
 * Check that a file is one of breached passwords, by its first line.
 *
 * @throws InputError CONFIG_INVALID
 */
export async function checkBreachedPasswordsFile(path: string): Promise<void> {
  const text = await readFirst(path);
  if (linePattern.test(text)) return;
  throw new InputError(
    'CONFIG_INVALID',
    `${path}: expected lines of a SHA-1 in upper-case hexadecimal and a count, in order of the hashes, got others; see docs/administration.md`,
  );
}

async function readFirst(path: string): Promise<string> {
  try {
    return await withFile(path, (file) => readAt(file, 0, lineBytesMax));
  } catch (cause) {
    throw new InputError(
      'CONFIG_INVALID',
      `${path}: expected a file of breached passwords that can be read; see docs/administration.md`,
      {},
      { cause },
    );
  }
}

/**
 * Tell whether a password is one of a file of breached ones.
 *
 * @throws UnavailableError STORE_UNAVAILABLE where the file cannot be read any more
 */
export async function isBreached(path: string, password: string): Promise<boolean> {
  const hash = createHash('sha1').update(password, 'utf8').digest('hex').toUpperCase();
  try {
    return await withFile(path, (file) => hasLine(file, hash));
  } catch (cause) {
    throw new UnavailableError(
      'STORE_UNAVAILABLE',
      'password: expected to look it up among breached ones, their file cannot be read; put it back, or start without --breached-passwords',
      {},
      { cause },
    );
  }
}
