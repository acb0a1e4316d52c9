/** Write what PGlite makes of a fresh folder into one archive: `node database-template.mjs FILE`. */
import { renameSync, writeFileSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';

const [file] = process.argv.slice(2);
const database = await PGlite.create();
const archive = await database.dumpDataDir('gzip');
await database.close();
// Whole or not at all: somebody else may start a coordinator meanwhile.
const temporary = `${file}.${process.pid}`;
writeFileSync(temporary, Buffer.from(await archive.arrayBuffer()));
renameSync(temporary, file);
