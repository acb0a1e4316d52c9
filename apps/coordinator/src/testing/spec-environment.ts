/** What stores stand on, for specs of one store without the application around it. */
import { systemClock } from '../common/clock.ts';
import { DurableFiles } from '../common/durable-files.ts';
import { defaultSettings, Environment } from '../common/environment.ts';
import { Logger } from '../common/logger.ts';
import { loadKeys, prepareDataFolder } from '../config/data-folder.ts';
import { openDatabase } from '../config/database.ts';
import { inProcessWork } from '../rounds/adapter-work.ts';

/** Open a data folder with the embedded database; whoever opens it closes the database. */
export async function openEnvironment(path: string): Promise<Environment> {
  const folder = await prepareDataFolder(path);
  const onIdleError = (): void => undefined;
  const files = new DurableFiles();
  return new Environment({
    database: await openDatabase({ folder: folder.database, url: undefined, onIdleError }),
    folder,
    files,
    keys: await loadKeys(folder, files),
    federation: '00'.repeat(16),
    clock: systemClock,
    logger: new Logger('silent'),
    settings: defaultSettings,
    work: inProcessWork(),
    freeBytes: async () => Infinity,
  });
}
