/**
 * Build dist/ from apps/, libs/, bench/, test/ and tools/demo/ where it is missing or stale; install what the build needs first. The
 * dashboard is bundled apart, and a fresh database is kept for first starts.
 *
 * The digest of every source decides, not a date: a checkout of another branch is seen, an untouched tree costs
 * some milliseconds. `--force` builds in any case.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { ensureInstalled } from './ensure.mjs';
import {
  isStartedAs,
  packageCommand,
  repositoryFolder,
  runMain,
  runOrFail,
  runProgram,
  timed,
  ToolError,
} from './support/process.mjs';

const sourceFolders = [
  'apps',
  'libs',
  'bench',
  'test/crash',
  'test/network',
  'test/sim',
  'test/support',
  'tools/demo',
];
const configurationFiles = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tools/build.mjs',
];
const outputFolder = path.join(repositoryFolder, 'dist');
const pageFolder = 'apps/dashboard';
/** What the bundle is made of: the page, and the library that it shares with the commands. */
const pageSourceFolders = [pageFolder, 'libs/api'];
const pageStampFile = path.join(outputFolder, '.page-stamp');
const stampFile = path.join(outputFolder, '.build-stamp');
const writtenFile = path.join(outputFolder, '.build-sources');
const incrementalFile = path.join(outputFolder, '.tsbuildinfo');

/** Build what is stale and return whether anything was built. */
export async function ensureBuilt({ isForced = false } = {}) {
  await ensureInstalled();
  const sources = listSources();
  const digest = digestOf([...configurationFiles, ...sources]);
  const isFresh = readStamp(stampFile) === digest && sources.every(isOutputThere);
  const isStale = isForced || !isFresh;
  if (isStale) {
    await timed(`build: ${sources.length} files to dist/`, () => build(sources, isForced));
    writeFileSync(stampFile, digest);
  }
  await ensureDatabaseTemplate();
  const isPageBuilt = await ensurePageBuilt(isForced);
  return isStale || isPageBuilt;
}

/** Keep a fresh folder of the embedded database, so that a first start need not make one; one for each release of it. */
async function ensureDatabaseTemplate() {
  const { version } = JSON.parse(
    readFileSync(
      path.join(repositoryFolder, 'node_modules/@electric-sql/pglite/package.json'),
      'utf8',
    ),
  );
  const file = path.join(outputFolder, `pglite-${version}.tgz`);
  if (existsSync(file)) return;
  const script = path.join(repositoryFolder, 'tools/support/database-template.mjs');
  await timed('build: a fresh database', () => runOrFail(process.execPath, [script, file]));
}

/** Bundle the dashboard where it is stale: another compiler, so a stamp of its own. */
async function ensurePageBuilt(isForced) {
  const sources = pageSourceFolders.flatMap(listFiles).filter((file) => !file.endsWith('.spec.ts'));
  const digest = digestOf(['package-lock.json', 'tools/build.mjs', ...sources]);
  const isThere = existsSync(path.join(outputFolder, pageFolder, 'index.html'));
  if (!isForced && isThere && readStamp(pageStampFile) === digest) return false;
  rmSync(pageStampFile, { force: true });
  const bundler = packageCommand('vite', 'bin/vite.js');
  await timed(`build: ${sources.length} files of the dashboard`, () =>
    runOrFail(process.execPath, [bundler, 'build', pageFolder, '--logLevel', 'warn'], {
      // Whoever starts the build may be a test: React for development would sign in twice with a link that is good once.
      environment: { NODE_ENV: 'production' },
    }),
  );
  writeFileSync(pageStampFile, digest);
  return true;
}

async function build(sources, isForced) {
  mkdirSync(outputFolder, { recursive: true });
  rmSync(stampFile, { force: true });
  // TypeScript's incremental record believes that what it wrote once is still there.
  const written = existsSync(writtenFile) ? readFileSync(writtenFile, 'utf8').split('\n') : [];
  if (isForced || written.some((source) => sources.includes(source) && !isOutputThere(source))) {
    rmSync(incrementalFile, { force: true });
  }
  writeFileSync(writtenFile, sources.join('\n'));
  const compiler = packageCommand('typescript', 'bin/tsc');
  const options = ['-p', 'tsconfig.build.json', '--incremental'];
  const { status } = await runProgram(process.execPath, [
    compiler,
    ...options,
    '--tsBuildInfoFile',
    incrementalFile,
  ]);
  for (const source of sources.filter((name) => !name.endsWith('.ts'))) copyToOutput(source);
  removeOrphans(new Set(sources.map(outputOf)));
  if (status !== 0) throw new ToolError('build: the sources do not compile, see above');
}

/** Every file that goes into dist/: TypeScript without specs and fakes, and what is read at run time as it is. */
function listSources() {
  return sourceFolders.flatMap(listFiles).filter(isBuilt).sort();
}

function isBuilt(file) {
  const isForTests = file.endsWith('.spec.ts') || file.split('/').includes('testing');
  const isForTools = /\.d\.ts$|\.config\.ts$|\.md$|(^|\/)(tsconfig[^/]*\.json|\.[^/]+)$/.test(file);
  return !isForTests && !isForTools && !isOfPage(file);
}

/** The dashboard is bundled, not compiled file by file. */
function isOfPage(file) {
  return file.includes(`${pageFolder}/`);
}

function listFiles(folder) {
  const absolute = path.join(repositoryFolder, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : listFiles(file);
    return entry.isFile() ? [file] : [];
  });
}

function outputOf(source) {
  return path.join(outputFolder, source.replace(/\.ts$/, '.js'));
}

function isOutputThere(source) {
  return existsSync(outputOf(source));
}

function digestOf(files) {
  const hash = createHash('sha256').update(process.versions.node);
  for (const file of files) {
    const content = readFileSync(path.join(repositoryFolder, file));
    hash.update(`\n${file} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

function copyToOutput(source) {
  const target = outputOf(source);
  mkdirSync(path.dirname(target), { recursive: true });
  copyFileSync(path.join(repositoryFolder, source), target);
}

/** Remove the outputs of sources that are gone, so that nothing imports them by mistake. */
function removeOrphans(outputs) {
  for (const folder of sourceFolders) {
    for (const file of listFiles(`dist/${folder}`)) {
      const absolute = path.join(repositoryFolder, file);
      const output = absolute.replace(/\.map$/, '');
      if (!outputs.has(output) && !isOfPage(file)) rmSync(absolute);
    }
  }
}

if (isStartedAs(import.meta.url)) {
  await runMain(async (scriptArguments) => {
    await ensureBuilt({ isForced: scriptArguments.includes('--force') });
  });
}
