import { addFindings, addScores, emptyScoreReport, sigmoid } from '#core/evaluation';
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

describe('by sigmoid', () => {
  const logitsOf = async (count: number): Promise<Float32Array> => {
    const pixels = new Float32Array(count * 12);
    const images = linearImages(count);
    for (let index = 0; index < count; index++) pixels.set(await images.load(index), 12 * index);
    return model.predict(pixels, count, adapter);
  };

  test('findings count one by one, in batches as in one call', async () => {
    const findings = Int8Array.from({ length: 21 }, (_, index) => ((index * 5) % 3) - 1);
    const images = { ...linearImages(7), labels: new Array<number>(7).fill(-1), findings };
    const options = { model, images, adapter, classes: 3, batchSize: 2 };
    const report = await evaluate({ ...options, activation: 'sigmoid' });
    const expected = addFindings(emptyScoreReport(3, 'sigmoid'), await logitsOf(7), findings);
    expect(report.lossSum).toBeCloseTo(expected.lossSum, 10);
    expect({ ...report, lossSum: 0 }).toEqual({ ...expected, lossSum: 0 });
  });

  test('images of one class each have it and no other', async () => {
    const options = { model, images: linearImages(2), adapter, classes: 3 };
    const report = await evaluate({ ...options, activation: 'sigmoid' });
    const findings = [1, 0, 0, 0, 1, 0];
    expect(report).toEqual(
      addFindings(emptyScoreReport(3, 'sigmoid'), await logitsOf(2), findings),
    );
  });

  test('predicted shares stand each for itself', async () => {
    const options = { model, images: linearImages(2), adapter, classes: 3 };
    const shares = await predictShares({ ...options, activation: 'sigmoid' });
    expect(shares).toEqual((await logitsOf(2)).map(sigmoid));
  });
});
