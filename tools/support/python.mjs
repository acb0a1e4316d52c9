/**
 * Virtual environments of Python in ignored folders: one with the packages that interop needs (PyTorch, transformers, PEFT,
 * timm), one with schemathesis alone.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { repositoryFolder, runOrFail, timed } from './process.mjs';

const folder = path.join(repositoryFolder, '.venv');
const requirements = path.join(repositoryFolder, 'test/interop/requirements.txt');
const stampFile = path.join(folder, '.requirements');
// Flower's own requirements hold back packages that the others need: it gets what its strategies import, and no more.
const flowerRequirements = path.join(repositoryFolder, 'test/interop/requirements-flower.txt');
const flowerStampFile = path.join(folder, '.requirements-flower');
const isWindows = process.platform === 'win32';
const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
// Most of it is PyTorch with the CUDA libraries that PyPI's wheel for Linux brings along.
const what = '.venv with PyTorch, transformers, PEFT and timm: 7 GB on disk, some minutes';
const systemPython = isWindows ? 'python' : 'python3';
const programOf = (environment, name) =>
  path.join(environment, isWindows ? `Scripts/${name}.exe` : `bin/${name}`);
const interpreter = programOf(folder, 'python');

/** Make the environment where it is missing or stale and return its interpreter. */
export async function ensurePython() {
  if (!isFresh(stampFile, requirements)) await timed(`python: ${what}`, install);
  if (!isFresh(flowerStampFile, flowerRequirements)) {
    await timed('python: Flower beside it', installFlower);
  }
  return interpreter;
}

/** Make the environment of schemathesis where it is missing or stale and return its program. */
export async function ensureSchemathesis() {
  const own = path.join(repositoryFolder, '.cache/schemathesis');
  const wanted = path.join(repositoryFolder, 'test/fuzz/requirements.txt');
  const stamp = path.join(own, '.requirements');
  if (!isFresh(stamp, wanted)) {
    await timed('python: schemathesis', async () => {
      rmSync(own, { recursive: true, force: true });
      await runOrFail(systemPython, ['-m', 'venv', own]);
      await runOrFail(programOf(own, 'python'), [...pip, '-r', wanted]);
      writeFileSync(stamp, readFileSync(wanted));
    });
  }
  return programOf(own, 'schemathesis');
}

function isFresh(stamp, wanted) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === readFileSync(wanted, 'utf8');
}

async function install() {
  rmSync(folder, { recursive: true, force: true });
  await runOrFail(systemPython, ['-m', 'venv', folder]);
  await runOrFail(interpreter, [...pip, '-r', requirements]);
  writeFileSync(stampFile, readFileSync(requirements));
}

async function installFlower() {
  await runOrFail(interpreter, [...pip, '--no-deps', '-r', flowerRequirements]);
  writeFileSync(flowerStampFile, readFileSync(flowerRequirements));
}
