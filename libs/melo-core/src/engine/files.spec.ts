import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSource, loadBackbone } from './files.ts';
import { smallModel, withTemporaryDirectory } from './testing/small-model.ts';

describe('a file source', () => {
  test('reads exactly the range asked for', () =>
    withTemporaryDirectory(async (root) => {
      const path = join(root, 'bytes');
      await writeFile(
        path,
        Uint8Array.from({ length: 100 }, (_, index) => index),
      );
      const source = await fileSource(path);
      expect(source).toMatchObject({ size: 100, path });
      expect([...(await source.read(97, 3))]).toEqual([97, 98, 99]);
      expect(await source.read(100, 0)).toHaveLength(0);
      await expect(source.read(97, 4)).rejects.toMatchObject({ code: 'SAFETENSORS_INVALID' });
      await source.close();
    }));

  test('refuses what is missing and what is no file, naming the path', () =>
    withTemporaryDirectory(async (root) => {
      for (const path of [join(root, 'missing'), root]) {
        await expect(fileSource(path)).rejects.toMatchObject({
          code: 'NOT_FOUND',
          message: expect.stringContaining(path),
        });
      }
    }));
});

describe('a backbone in a folder', () => {
  test('opens with the name of the folder', () =>
    withTemporaryDirectory(async (root) => {
      const { bytes, config, backbone: expected } = await smallModel();
      const directory = join(root, 'my-vit');
      await mkdir(directory);
      await writeFile(join(directory, 'model.safetensors'), bytes);
      await writeFile(join(directory, 'config.json'), JSON.stringify(config));
      const backbone = await loadBackbone(directory);
      expect(backbone.name).toBe('my-vit');
      expect(backbone.configuration).toEqual(expected.configuration);
      expect(await backbone.read('norm.weight')).toEqual(await expected.read('norm.weight'));
      await backbone.close();
    }));

  test.each([
    ['config.json', 'NOT_FOUND', null],
    ['model.safetensors', 'NOT_FOUND', null],
    ['config.json', 'BACKBONE_UNSUPPORTED', 'no json'],
    ['config.json', 'BACKBONE_UNSUPPORTED', ' '.repeat(1024 * 1024 + 1)],
    ['preprocessor_config.json', 'BACKBONE_UNSUPPORTED', '{'],
  ])('with a bad %s is refused with %s', (file, code, content) =>
    withTemporaryDirectory(async (root) => {
      const { bytes, config } = await smallModel();
      await writeFile(join(root, 'model.safetensors'), bytes);
      await writeFile(join(root, 'config.json'), JSON.stringify(config));
      if (content === null) await rm(join(root, file));
      else await writeFile(join(root, file), content);
      await expect(loadBackbone(root)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(file),
      });
    }),
  );
});
