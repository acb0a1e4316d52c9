/** A backup of a coordinator that does not run: made of its data folder, whose lock is held meanwhile. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { InputError } from '#core/errors';
import { federationIdSchema } from '#core/protocol';
import { prepareDataFolder } from '../config/data-folder.ts';
import { isDatabaseFolder } from '../config/database-template.ts';
import { takePidLock } from '../config/pid-lock.ts';
import { writeArchive } from './archive.ts';
import { freeBytesOf } from './files.ts';
import { readKeys, usableKeys } from './key-files.ts';
import { openRawDatabase, select } from './raw-database.ts';
import { takeSnapshot } from './snapshot.ts';
import type { Pieces } from './tar.ts';

/** Where a stopped coordinator's things are. */
export interface StoppedCoordinator {
  readonly data: string;
  readonly databaseUrl: string | undefined;
  readonly nowMs: number;
}

/**
 * Make the archive of a stopped coordinator.
 *
 * @throws StateError DATA_FOLDER_LOCKED where it runs
 */
export async function* backUpStopped(options: StoppedCoordinator): Pieces {
  const { data, databaseUrl, nowMs } = options;
  if (!existsSync(join(data, 'keys', 'signing.key'))) throw noDataFolder(data);
  const lock = takePidLock(data);
  try {
    const folder = await prepareDataFolder(data);
    if (databaseUrl === undefined && !isDatabaseFolder(folder.database)) throw noDatabase(data);
    const keys = usableKeys(await readKeys(folder.keys));
    const database = await openRawDatabase({ folder: folder.database, url: databaseUrl });
    try {
      const [row] = await select(
        database.queries,
        z.object({ value: federationIdSchema }),
        sql`select value from settings where key = 'federation'`,
      );
      if (row === undefined) throw noDatabase(data);
      const federation = row.value;
      const freeBytes = freeBytesOf;
      const source = { database, folder, keys, federation, nowMs, freeBytes };
      const snapshot = await takeSnapshot(source);
      try {
        yield* writeArchive(snapshot, keys.signing.secretKey);
      } finally {
        await rm(snapshot.folder, { recursive: true, force: true });
      }
    } finally {
      await database.close();
    }
  } finally {
    lock.release();
  }
}

function noDataFolder(data: string): InputError {
  return new InputError(
    'NOT_FOUND',
    `backup: expected the data folder of a coordinator at ${data}, it has no keys; name it with --data, or a running one with --url`,
  );
}

function noDatabase(data: string): InputError {
  return new InputError(
    'NOT_FOUND',
    `backup: expected a coordinator's database in ${data}, there is none; set DATABASE_URL where it is a PostgreSQL`,
  );
}
