/**
 * A virtual environment of Python with the packages that interop needs (PyTorch, transformers, PEFT, timm), in an ignored folder.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { repositoryFolder, runOrFail, timed } from './process.mjs';

const folder = path.join(repositoryFolder, '.venv');
const requirements = path.join(repositoryFolder, 'test/interop/requirements.txt');
const stampFile = path.join(folder, '.requirements');
const isWindows = process.platform === 'win32';
// Most of it is PyTorch with the CUDA libraries that PyPI's wheel for Linux brings along.
const what = '.venv with PyTorch, transformers, PEFT and timm: 7 GB on disk, some minutes';
const interpreter = path.join(folder, isWindows ? 'Scripts/python.exe' : 'bin/python');

/** Make the environment where it is missing or stale and return its interpreter. */
export async function ensurePython() {
  const wanted = readFileSync(requirements, 'utf8');
  const isFresh = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted;
  if (!isFresh) await timed(`python: ${what}`, () => install(wanted));
  return interpreter;
}

async function install(wanted) {
  rmSync(folder, { recursive: true, force: true });
  await runOrFail(isWindows ? 'python' : 'python3', ['-m', 'venv', folder]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  await runOrFail(interpreter, [...pip, '-r', requirements]);
  writeFileSync(stampFile, wanted);
}
