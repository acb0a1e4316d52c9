/**
 * A virtual environment of Python with the packages that interop needs (PyTorch, transformers, PEFT, timm), in an ignored folder.
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
const interpreter = path.join(folder, isWindows ? 'Scripts/python.exe' : 'bin/python');

/** Make the environment where it is missing or stale and return its interpreter. */
export async function ensurePython() {
  if (!isFresh(stampFile, requirements)) await timed(`python: ${what}`, install);
  if (!isFresh(flowerStampFile, flowerRequirements)) {
    await timed('python: Flower beside it', installFlower);
  }
  return interpreter;
}

function isFresh(stamp, wanted) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === readFileSync(wanted, 'utf8');
}

async function install() {
  rmSync(folder, { recursive: true, force: true });
  await runOrFail(isWindows ? 'python' : 'python3', ['-m', 'venv', folder]);
  await runOrFail(interpreter, [...pip, '-r', requirements]);
  writeFileSync(stampFile, readFileSync(requirements));
}

async function installFlower() {
  await runOrFail(interpreter, [...pip, '--no-deps', '-r', flowerRequirements]);
  writeFileSync(flowerStampFile, readFileSync(flowerRequirements));
}
