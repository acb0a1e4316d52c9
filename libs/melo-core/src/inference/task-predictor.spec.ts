import type { MultiTaskModel, TaskAdapter } from '#core/engine';
import { AdapterLibrary } from './adapter-library.ts';
import { imagesPerRunMax, predictTasks } from './task-predictor.ts';
import type { PredictionRequest } from './task-predictor.ts';
import { smallAdapterFile, smallBackbone } from './testing/small-adapters.ts';

const imageSize = 2;
const numbers = 3 * imageSize * imageSize;

/** A model that answers with the image's first number times the adapter's, and records its runs. */
function fakeModel(runs: (readonly TaskAdapter[])[]): MultiTaskModel {
  return {
    predict: async (images, adapters) => {
      runs.push(adapters);
      return adapters.map(({ specification, values }, row) =>
        Float32Array.from(
          specification.classes,
          (_name, c) => (images[row * numbers] ?? 0) * (values[c] ?? 0),
        ),
      );
    },
    dispose: async () => undefined,
  };
}

function library(reads: string[] = [], bytesMax = 1_000_000): AdapterLibrary {
  const shapes: Record<string, { rank: number; classes: string[] }> = {
    a: { rank: 2, classes: ['no', 'yes'] },
    b: { rank: 1, classes: ['x', 'y', 'z'] },
    c: { rank: 3, classes: ['no', 'yes'] },
  };
  return new AdapterLibrary({
    backbone: smallBackbone,
    bytesMax,
    read: async (name) => {
      reads.push(name);
      return smallAdapterFile({ ...shapes[name.slice(0, 1)], task: name, seed: name });
    },
  });
}

const request = (adapter: string, pixel: number): PredictionRequest => ({
  adapter,
  image: new Float32Array(numbers).fill(pixel),
});

describe('predictions for many tasks', () => {
  test('are a sigmoid for each class where the card says so, beside shares of others', async () => {
    const options = {
      ...{ model: fakeModel([]), imageSize },
      library: new AdapterLibrary({
        backbone: smallBackbone,
        bytesMax: 1_000_000,
        read: async (name) =>
          smallAdapterFile({
            seed: name,
            loss: name === 'findings' ? 'binary-cross-entropy' : 'cross-entropy',
          }),
      }),
    };
    const [first, second] = await predictTasks(options, [
      request('findings', 3),
      request('one', 3),
    ]);
    expect(first?.shares).toEqual([...(first?.logits ?? [])].map((z) => 1 / (1 + Math.exp(-z))));
    expect(first?.card.activation).toBe('sigmoid');
    expect(second?.shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(second?.card).not.toHaveProperty('activation');
  });

  test('come back in the order of the requests, each of its own adapter', async () => {
    const options = { model: fakeModel([]), library: library(), imageSize };
    const requests = ['b', 'a', 'c', 'a', 'b'].map((name, at) => request(name, at + 1));
    const predictions = await predictTasks(options, requests);
    for (const [at, { adapter }] of requests.entries()) {
      const { values, card, digest } = await options.library.get(adapter);
      const expected = Float32Array.from(card.classes, (_, c) => (at + 1) * (values[c] ?? 0));
      expect(predictions[at]?.card.task).toBe(adapter);
      expect(predictions[at]?.digest).toBe(digest);
      expect(predictions[at]?.logits).toEqual(expected);
      expect(predictions[at]?.shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    }
  });

  test('of more images than one run takes are taken adapter by adapter, each read once', async () => {
    const runs: (readonly TaskAdapter[])[] = [];
    const reads: string[] = [];
    // Room for one adapter alone: taken as they come, they would be read again for every image.
    const options = { model: fakeModel(runs), library: library(reads, 12_000), imageSize };
    const count = 2 * imagesPerRunMax;
    const requests = Array.from({ length: count }, (_, at) => request(at % 2 ? 'a' : 'b', at));
    const predictions = await predictTasks(options, requests);
    expect(predictions.map(({ card }) => card.task)).toEqual(
      requests.map(({ adapter }) => adapter),
    );
    expect(reads).toEqual(['b', 'a']);
    expect(runs.map((run) => [run.length, new Set(run).size])).toEqual([
      [imagesPerRunMax, 1],
      [imagesPerRunMax, 1],
    ]);
  });

  test('give two names of one file to the model as one adapter', async () => {
    const runs: (readonly TaskAdapter[])[] = [];
    const bytes = smallAdapterFile();
    const shelf = library();
    shelf.put('x', bytes);
    shelf.put('y', bytes);
    const options = { model: fakeModel(runs), library: shelf, imageSize };
    await predictTasks(options, [request('x', 1), request('y', 2)]);
    expect(new Set(runs[0]).size).toBe(1);
  });

  test('of no image are none', async () => {
    const options = { model: fakeModel([]), library: library(), imageSize };
    expect(await predictTasks(options, [])).toEqual([]);
  });

  test('refuse an image of another size, and a digest that is not the adapter’s', async () => {
    const options = { model: fakeModel([]), library: library(), imageSize };
    const short = { adapter: 'a', image: new Float32Array(numbers - 1) };
    const refused = predictTasks(options, [short]);
    await expect(refused).rejects.toMatchObject({ code: 'UPDATE_SHAPE_MISMATCH' });
    const other = predictTasks(options, [{ ...request('a', 1), digest: 'ef'.repeat(32) }]);
    await expect(other).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });
});
