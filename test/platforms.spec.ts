/** The platforms that README.md promises: the lock names a binary of every native part for each, whatever machine it was made on. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const repository = path.resolve(fileURLToPath(import.meta.url), '../..');
const lock = z
  .object({ packages: z.record(z.string(), z.looseObject({ optional: z.boolean().optional() })) })
  .parse(JSON.parse(readFileSync(path.join(repository, 'package-lock.json'), 'utf8')));

const platforms = [
  { platform: 'Linux on x64', swc: 'linux-x64-gnu', sharp: 'linux-x64', onnx: 'linux/x64' },
  { platform: 'Linux on arm64', swc: 'linux-arm64-gnu', sharp: 'linux-arm64', onnx: 'linux/arm64' },
  { platform: 'macOS on arm64', swc: 'darwin-arm64', sharp: 'darwin-arm64', onnx: 'darwin/arm64' },
  { platform: 'Windows on x64', swc: 'win32-x64-msvc', sharp: 'win32-x64', onnx: 'win32/x64' },
];

test.each(platforms)('$platform has its native parts', ({ swc, sharp, onnx }) => {
  for (const name of [`@swc/core-${swc}`, `@rolldown/binding-${swc}`, `@img/sharp-${sharp}`])
    expect([name, lock.packages[`node_modules/${name}`]?.optional]).toEqual([name, true]);
  const folder = path.join(repository, 'node_modules', 'onnxruntime-node', 'bin', 'napi-v6', onnx);
  expect(existsSync(path.join(folder, 'onnxruntime_binding.node'))).toBe(true);
});
