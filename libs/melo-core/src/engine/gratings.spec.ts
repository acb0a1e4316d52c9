/** A and B learn what a linear probe cannot: the smaller version of the table that `npm run results -- gratings` makes. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { tensorView } from '#core/adapter';
import { compareOnGratings } from '../../../../test/support/gratings.ts';
import { createEngine } from './create.ts';
import { loadBackbone } from './files.ts';
import { withTemporaryDirectory } from './testing/small-model.ts';

const root = resolve(import.meta.dirname, '../../../..');
const shared = resolve(root, process.env['MELO_SHARED'] ?? '../shared');
const directory = resolve(shared, 'backbones/vit_tiny_patch16_224');
const describeWithShared = existsSync(directory) ? describe : describe.skip;

describeWithShared('MeLo on the pretrained ViT-Tiny', () => {
  test(
    'tells same from different gratings where a linear probe falls behind, through every B',
    () =>
      withTemporaryDirectory(async (cacheDirectory) => {
        const engine = await createEngine({ engine: 'onnx', threads: 2, cacheDirectory });
        const backbone = await loadBackbone(directory);
        const { probe, melo, layout, values } = await compareOnGratings({
          engine,
          backbone,
          seed: 1,
          trainCount: 160,
          heldOutCount: 160,
          epochs: 3,
          batchSize: 8, // more steps than batches of 16 give in the same time
          learningRate: 3e-3,
          progress: () => undefined,
        });
        await backbone.close();
        expect(melo - probe).toBeGreaterThan(0.05);
        for (const { name } of layout.tensors.filter((tensor) => tensor.name.endsWith('lora_B'))) {
          expect(Math.hypot(...tensorView(layout, values, name))).toBeGreaterThan(0);
        }
      }),
    600_000,
  );
});
