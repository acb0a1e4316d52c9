/**
 * `npm run docs:images`: the pictures of docs/images/, taken by the browser suite itself of `npm run demo` as it trains.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { ensureBuilt } from './build.mjs';
import { runJestProject } from './support/jest.mjs';
import { repositoryFolder, runMain } from './support/process.mjs';

const pictureFolder = path.join(repositoryFolder, 'docs/images');

await runMain(async () => {
  await ensureBuilt();
  const { failed, passed } = await runJestProject('browser', {
    jestArguments: ['--runInBand', '--testPathPatterns', 'browser/demo'],
    environment: { MELO_PICTURES: pictureFolder },
  });
  await shrinkPictures();
  return failed === 0 && passed > 0 ? 0 : 1;
});

/** A picture of a page has few colours: a palette makes it a quarter of the size. */
async function shrinkPictures() {
  for (const name of readdirSync(pictureFolder).filter((each) => each.endsWith('.png'))) {
    const file = path.join(pictureFolder, name);
    writeFileSync(file, await sharp(file).png({ palette: true, effort: 10 }).toBuffer());
  }
}
