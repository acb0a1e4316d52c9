import { withoutRepeats } from './melo-images.ts';
import { figuresOf } from './melo.ts';

describe('the figures of the table melo', () => {
  test('of two classes are the AUC of the second and the accuracy', () => {
    const shares = Float32Array.of(0.9, 0.1, 0.4, 0.6, 0.6, 0.4, 0.2, 0.8);
    // Of four pairs of a 0 and a 1, three are in order: 0.1 and 0.6 against 0.4 and 0.8.
    expect(figuresOf(shares, [0, 0, 1, 1])).toEqual({ auc: 0.75, accuracy: 0.5 });
  });

  test('of three classes are the mean AUC of each against the others', () => {
    const shares = Float32Array.of(0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.6, 0.3, 0.1);
    const { auc, accuracy } = figuresOf(shares, [0, 1, 2]);
    expect(accuracy).toBeCloseTo(2 / 3, 12);
    expect(auc).toBeCloseTo((1 + 1 + 0.5) / 3, 12); // the third class's share is the same for all
  });
});

test('an image that stands in two splits stays in the first', () => {
  const image = (group: string, split: 'train' | 'held-out', folder = 'a') => ({
    ...{ site: 'table', split, folder, file: group, group },
  });
  const images = [image('x', 'held-out'), image('y', 'train'), image('x', 'train', 'b')];
  expect(withoutRepeats(images)).toEqual(images.slice(0, 2));
});
