import { addScores, emptyScoreReport } from '#core/evaluation';
import { seededRng } from '#core/rng';
import { evaluate, predictShares } from './evaluate.ts';
import { linearImages, linearModel } from './testing/linear-model.ts';

const model = linearModel();
const rng = seededRng('evaluate');
const adapter = Float32Array.from({ length: model.layout.size }, () => 0.3 * rng.nextNormal());

describe('an evaluation', () => {
  test.each([[1], [4], [7], [16]])(
    'in batches of %d counts every image once, as one call for all would',
    async (batchSize) => {
      const images = linearImages(7);
      const report = await evaluate({ model, images, adapter, classes: 3, batchSize });
      const pixels = new Float32Array(7 * 12);
      for (let index = 0; index < 7; index++) pixels.set(await images.load(index), 12 * index);
      const logits = await model.predict(pixels, 7, adapter);
      const expected = addScores(emptyScoreReport(3), logits, images.labels);
      expect(report.lossSum).toBeCloseTo(expected.lossSum, 10);
      expect({ ...report, lossSum: 0 }).toEqual({ ...expected, lossSum: 0 });
    },
  );

  test('reports its progress and stops when told to', async () => {
    const controller = new AbortController();
    const progress: number[] = [];
    const reason = new Error('enough');
    const evaluation = evaluate({
      model,
      images: linearImages(7),
      adapter,
      classes: 3,
      batchSize: 2,
      signal: controller.signal,
      onProgress: ({ done, count }) => {
        expect(count).toBe(7);
        progress.push(done);
        if (done === 4) controller.abort(reason);
      },
    });
    await expect(evaluation).rejects.toBe(reason);
    expect(progress).toEqual([2, 4]);
  });

  test('of no images is an empty report', async () => {
    expect(await evaluate({ model, images: linearImages(0), adapter, classes: 3 })).toEqual(
      emptyScoreReport(3),
    );
  });
});

test('predicted shares stand in the order of the images and sum to one', async () => {
  const shares = await predictShares({
    model,
    images: linearImages(5),
    adapter,
    classes: 3,
    batchSize: 2,
  });
  const alone = await predictShares({ model, images: linearImages(1), adapter, classes: 3 });
  expect(shares).toHaveLength(15);
  expect(shares.slice(0, 3)).toEqual(alone);
  for (let row = 0; row < 5; row++) {
    expect(shares.subarray(3 * row, 3 * row + 3).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  }
});
