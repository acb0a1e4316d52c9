/** A written backbone is one that opens, and no matrix is another's copy. */
import { loadBackbone } from '#core/engine';
import { makeWorkDirectory } from '../../test/support/package-root.ts';
import { writeRandomBackbone } from './random-weights.ts';

const shape = {
  ...{ name: 'vit_tiny', dimension: 48, blocks: 2, heads: 3, mlpDimension: 96 },
  ...{ patchSize: 8, imageSize: 32 },
};

test('opens with its shapes, and its values have the variance they should', async () => {
  const work = await makeWorkDirectory('random-weights');
  try {
    await writeRandomBackbone(work.path, shape);
    const backbone = await loadBackbone(work.path);
    const { name: _name, ...sizes } = shape;
    expect(backbone.configuration).toMatchObject(sizes);
    const weight = await backbone.read('blocks.1.mlp.fc1.weight');
    const variance = weight.reduce((sum, value) => sum + value * value, 0) / weight.length;
    expect(variance * 48).toBeCloseTo(1, 1);
    const [first, second] = await Promise.all(
      [0, 1].map((block) => backbone.read(`blocks.${block}.attn.q.weight`)),
    );
    expect(first).not.toEqual(second);
    await backbone.close();
  } finally {
    await work.remove();
  }
});
