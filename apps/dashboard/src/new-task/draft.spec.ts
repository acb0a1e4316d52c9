import { adapterLayout } from '#core/adapter';
import { taskDefinitionSchema } from '#core/protocol';
import {
  classesOf,
  costOf,
  definitionOf,
  emptyDraft,
  medianMs,
  problemsOf,
  type Draft,
} from './draft.ts';

const whole: Draft = {
  ...emptyDraft('07'.repeat(32)),
  task: 'chest-xray',
  title: 'Pneumonia',
  classes: 'NORMAL, PNEUMONIA',
  fingerprint: 'ab'.repeat(32),
  members: ['north', 'south'],
};

test('what a form begins with, filled in, is a definition that the coordinator takes', () => {
  expect(problemsOf(whole)).toEqual({});
  expect(taskDefinitionSchema.safeParse(definitionOf(whole)).error).toBeUndefined();
});

test.each([
  { augmentation: 'sided' },
  { augmentation: 'mirrored' },
  { trained: 'head', method: 'median' },
  { method: 'alternating', samplesMinimum: '100', localBaseline: false, crossEvaluation: true },
  { crossEvaluation: true },
  { classPriorCorrection: false },
  { method: 'trimmed-mean', backbone: 'vit_base_patch16_224', deadlineHours: '0.5' },
] as const)('with %j it is one too', (change) => {
  expect(
    taskDefinitionSchema.safeParse(definitionOf({ ...whole, ...change })).error,
  ).toBeUndefined();
});

test.each([
  ['task', { task: 'Chest Xray' }],
  ['title', { title: ' ' }],
  ['classes', { classes: 'one' }],
  ['classes', { classes: 'one, one' }],
  ['fingerprint', { fingerprint: 'abc' }],
  ['samplesMinimum', { samplesMinimum: 'many' }],
  ['rank', { rank: '0' }],
  ['rank', { rank: '65' }],
  ['epochs', { epochs: '1.5' }],
  ['batchSize', { batchSize: '' }],
  ['learningRate', { learningRate: '0' }],
  ['rounds', { rounds: '-1' }],
  ['deadlineHours', { deadlineHours: '' }],
  ['quorumSites', { quorumSites: '3' }],
  ['members', { members: [], quorumSites: '1' }],
] as const)('%s is named where it is wrong: %j', (name, change) => {
  expect(Object.keys(problemsOf({ ...whole, ...change }))).toEqual([name]);
});

test('classes stand between commas or on lines', () => {
  expect(classesOf(' a,b\n c ,, ')).toEqual(['a', 'b', 'c']);
});

test('the cost is that of the real layout: the adapter of ViT-Base at rank 4 has 147,456 numbers beside its head', () => {
  const definition = definitionOf({ ...whole, backbone: 'vit_base_patch16_224', rounds: '10' });
  const layout = adapterLayout({
    blocks: definition.backbone.blocks,
    dimension: definition.backbone.dimension,
    rank: definition.rank,
    alpha: definition.alpha,
    scale: 1,
    classes: definition.classes,
  });
  const cost = costOf(definition);
  expect(cost.parameters).toBe(layout.size);
  expect(cost.parameters).toBe(147_456 + 2 * 768 + 2);
  expect(cost.bytesInAll).toBe(10 * 2 * 2 * 4 * layout.size);
  expect(cost.longestMs).toBe(10 * 6 * 3_600_000);
});

test('a head alone is small on its way up, and the whole adapter comes down', () => {
  const cost = costOf(definitionOf({ ...whole, trained: 'head', rounds: '1', members: ['north'] }));
  expect(cost.parameters).toBe(2 * 192 + 2);
  expect(cost.bytesInAll).toBe(4 * (2 * (2 * 192 + 2) + 4 * 4 * 192 * 12));
});

test('the typical round is the middle one', () => {
  expect(medianMs([])).toBeNull();
  expect(medianMs([9, 1, 5])).toBe(5);
});
