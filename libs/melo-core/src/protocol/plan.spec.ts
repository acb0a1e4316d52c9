import { canonicalJson } from '#core/bytes';
import { trainingPlanSchema } from './plan.ts';
import { taskDefinitionSchema } from './task.ts';
import { smallPlan, smallTask } from './testing/index.ts';

const plan = smallPlan;
const classes = ['effusion', 'nodule', 'oedema'];
const task = (loss: object): object => ({ ...smallTask({ classes }), plan: { ...plan, loss } });

describe('a training plan', () => {
  test('says nothing of options that are left out, so that older plans keep their digest', () => {
    const text = canonicalJson(trainingPlanSchema.parse(plan));
    for (const word of ['rateRatioOfB', 'gradientNormMax', 'loraDropout', 'Weights']) {
      expect(text).not.toContain(word);
    }
  });

  test('is read back from its own text with every option on', () => {
    const full = trainingPlanSchema.parse({
      ...plan,
      optimiser: { name: 'adamw', learningRate: 0.002, rateRatioOfB: 16, gradientNormMax: 1 },
      loss: { name: 'binary-cross-entropy', classWeights: [1, 2], positiveWeights: [3, 1] },
      augmentation: { name: 'standard', laterality: false, horizontalFlipShare: 0.5 },
      loraDropout: 0.1,
    });
    expect(trainingPlanSchema.parse(JSON.parse(canonicalJson(full)))).toEqual(full);
  });

  test.each([
    [
      'a flip where left and right matter',
      { name: 'standard', laterality: true, horizontalFlipShare: 0.1 },
    ],
    ['silence about left and right', { name: 'standard', rotationDegrees: 5 }],
    ['a turn by more than 45 degrees', { name: 'standard', laterality: true, rotationDegrees: 90 }],
    ['an option that is not there', { name: 'standard', laterality: true, hue: 0.1 }],
    ['ranges without a name', { name: 'none', rotationDegrees: 5 }],
  ])('is refused with %s', (_name, augmentation) => {
    expect(trainingPlanSchema.safeParse({ ...plan, augmentation }).success).toBe(false);
  });

  test.each([
    ['a weight of zero', { name: 'cross-entropy', classWeights: [0, 1] }],
    ['positive weights without findings', { name: 'cross-entropy', positiveWeights: [1, 1] }],
    ['another loss', { name: 'focal' }],
  ])('is refused with %s', (_name, loss) => {
    expect(trainingPlanSchema.safeParse({ ...plan, loss }).success).toBe(false);
  });
});

describe('a task', () => {
  test.each([
    [{ name: 'cross-entropy', classWeights: [1, 2, 3] }, true],
    [{ name: 'cross-entropy', classWeights: [1, 2] }, false],
    [{ name: 'binary-cross-entropy', positiveWeights: [1, 2, 3] }, true],
    [{ name: 'binary-cross-entropy', classWeights: [1, 2, 3], positiveWeights: [1, 2] }, false],
  ])('has as many weights as classes: %j', (loss, isGood) => {
    const parsed = taskDefinitionSchema.safeParse(task(loss));
    expect(parsed.success).toBe(isGood);
    if (!parsed.success) expect(parsed.error.issues[0]?.path).toEqual(['plan', 'loss']);
  });
});
