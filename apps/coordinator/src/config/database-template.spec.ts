/** A first start from what the build kept, and without it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import {
  databaseTemplateName,
  isDatabaseFolder,
  readDatabaseTemplate,
} from './database-template.ts';

describe('the template of the database', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'melo-template-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('is null where the build made none, or one of another release', async () => {
    expect(await readDatabaseTemplate(folder)).toBeNull();
    await writeFile(join(folder, 'pglite-0.0.1.tgz'), 'of another release');
    expect(await readDatabaseTemplate(folder)).toBeNull();
  });

  test('opens as a database in a folder', async () => {
    const made = await PGlite.create();
    const archive = await made.dumpDataDir('gzip');
    await made.close();
    const file = join(folder, await databaseTemplateName());
    await writeFile(file, new Uint8Array(await archive.arrayBuffer()));
    const template = await readDatabaseTemplate(folder);
    if (template === null) throw new Error('expected the template that was just written');

    const data = join(folder, 'data');
    await mkdir(data);
    expect(isDatabaseFolder(data)).toBe(false);
    const first = await PGlite.create(data, { loadDataDir: template });
    await first.exec('create table kept (value int); insert into kept values (7)');
    expect((await first.query('select value from kept')).rows).toEqual([{ value: 7 }]);
    await first.close();
    expect(isDatabaseFolder(data)).toBe(true);
  }, 120_000);
});
