/** Files that must survive a crash: written beside, flushed, renamed over, and the folder flushed too. */
import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { StateError, UnavailableError } from '#core/errors';

const systemErrorSchema = z.object({ code: z.string() });

/** Tell the code of an error of the operating system, e.g. `ENOENT`; undefined for any other value. */
export function systemErrorCode(error: unknown): string | undefined {
  const parsed = systemErrorSchema.safeParse(error);
  return parsed.success ? parsed.data.code : undefined;
}

/** Whether there is no room to write: on the disk, or in the quota of whoever writes. */
export function isDiskFull(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Make a folder that only its owner can read. */
export async function makePrivateDirectory(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

/** The same, and fail where this user cannot make files in one that was there. */
export async function makeWritableDirectory(path: string): Promise<string> {
  await makePrivateDirectory(path);
  await access(path, constants.W_OK | constants.X_OK);
  return path;
}

async function flushDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return; // a folder cannot be opened there
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Write a whole file so that after a crash there is either the old one or the new one, never a part.
 *
 * @throws UnavailableError DISK_FULL where there is no room
 */
export async function writeDurably(
  path: string,
  content: Uint8Array | string,
  mode = 0o600,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await flushDirectory(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true });
    if (isDiskFull(cause)) {
      throw new UnavailableError(
        'DISK_FULL',
        `${path}: expected room to write, the disk is full; free some space in the data folder`,
        {},
        { cause },
      );
    }
    throw cause;
  }
}

/** Remove what {@link writeDurably} had not finished below a folder when a process ended; only while no other writes there. */
export async function removeHalfWritten(folder: string): Promise<void> {
  await makePrivateDirectory(folder);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && /\.[0-9a-f]{12}\.tmp$/.test(entry.name))
      await rm(join(entry.parentPath, entry.name), { force: true });
  }
}

/** Read a file, or return null where there is none. */
export async function readIfPresent(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return null;
    throw cause;
  }
}

/**
 * Read and parse a JSON file of the agent's own, or return null where there is none.
 *
 * @throws StateError STATE_CONFLICT where it is damaged
 */
export async function readJsonIfPresent<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.infer<Schema> | null> {
  const bytes = await readIfPresent(path);
  if (bytes === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw damaged(path, 'it is not JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw damaged(path, `field ${field || 'root'} does not fit`, parsed.error);
}

function damaged(path: string, what: string, cause: unknown): StateError {
  return new StateError(
    'STATE_CONFLICT',
    `${path}: expected a file as this agent writes it, ${what}; restore it from a backup or move it away`,
    {},
    { cause },
  );
}

/** Write a JSON file durably. */
export function writeJsonDurably(path: string, value: unknown): Promise<void> {
  return writeDurably(path, `${JSON.stringify(value)}\n`);
}
