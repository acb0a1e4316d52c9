import { stringify } from 'yaml';
import { taskDefinitionSchema } from '#core/protocol';
import { definitionOf, emptyDraft } from './draft.ts';
import { readDefinition } from './read-definition.ts';

const definition = definitionOf({
  ...emptyDraft('07'.repeat(32)),
  task: 'chest-xray',
  title: 'Pneumonia',
  classes: 'NORMAL, PNEUMONIA',
  fingerprint: 'ab'.repeat(32),
  members: ['north', 'south'],
});
const yaml = stringify(definition);

test('what the form saves is read as it was, and so is an export with its sites', () => {
  const read = { definition, content: definition };
  expect(readDefinition('chest.yaml', yaml)).toEqual(read);
  const site = stringify({ version: 1, site: 'north' });
  expect(readDefinition('chest.yaml', [site, yaml].join('---\n'))).toEqual(read);
});

test('what the coordinator fills in may be left out, and an anchor may stand for what is said twice', () => {
  const { rank, alpha, trainedTensors, aggregation, rules, ...rest } = definition;
  const content = { ...rest, aggregation: {}, rules: { quorumSites: 2 } };
  const whole = taskDefinitionSchema.parse(content);
  const read = readDefinition(
    'chest.yaml',
    `# short\nnote: &names a\nother: *names\n${stringify(content)}`,
  );
  expect(read).toMatchObject({
    definition: {
      rank: whole.rank,
      trainedTensors: whole.trainedTensors,
      rules: { deadlineMs: whole.rules.deadlineMs },
    },
    content: { ...content, note: 'a', other: 'a' },
  });
});

test.each([
  ['', 'an empty file'],
  [`${yaml}other: *nowhere\n`, 'aliases that cannot be followed: '],
  [`${yaml}other: &all [*all]\n`, 'aliases that cannot be followed: '],
  [stringify({ version: 1, site: 'north' }), '0 tasks'],
  [[yaml, yaml].join('---\n'), '2 tasks'],
  ['a: [', 'no YAML: '],
  [stringify({ ...definition, rank: 'four' }), 'rank: '],
  ['#'.repeat(500_001), 'a file of 500001 characters'],
])('%# is refused with its name and what came', (text, what) => {
  const { problem } = readDefinition('chest.yaml', text);
  expect(problem).toContain('chest.yaml: expected the definition of one task');
  expect(problem).toContain(`got ${what}`);
});
