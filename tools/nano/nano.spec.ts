import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fingerprintBackbone, memorySource, openBackbone, type Backbone } from '#core/backbone';

const folder = join(import.meta.dirname, 'backbone');
const weightsFile = join(folder, 'model.safetensors');

async function openNano(): Promise<Backbone> {
  const config: unknown = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  return openBackbone({ source: memorySource(await readFile(weightsFile)), config, name: 'nano' });
}

describe('the nano backbone', () => {
  test('is a plain ViT of the size that its README states', async () => {
    const { configuration } = await openNano();
    expect(configuration).toEqual({
      dimension: 96,
      blocks: 6,
      heads: 4,
      mlpDimension: 384,
      patchSize: 8,
      imageSize: 64,
      channels: 3,
      layerNormEpsilon: 1e-6,
      activation: 'gelu',
      pooling: 'cls',
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    });
  });

  test('is small enough to lie in the repository', async () => {
    expect((await stat(weightsFile)).size).toBeLessThan(3_000_000);
  });

  test('is the one that the demo was tuned on', async () => {
    expect(await fingerprintBackbone(await openNano())).toBe(
      'b5c48250a62c6cd8700b0f31091c146f35cc3e520385a81f64c1bc87a544bf5c',
    );
  });

  test('has a fingerprint that one changed byte of a weight changes', async () => {
    const backbone = await openNano();
    const changed: Backbone = {
      ...backbone,
      read: async (name) => {
        const values = await backbone.read(name);
        if (name === 'norm.bias') values[0] = (values[0] ?? 0) + 2 ** -10;
        return values;
      },
    };
    expect(await fingerprintBackbone(changed)).not.toBe(await fingerprintBackbone(backbone));
  });
});
