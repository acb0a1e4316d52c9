import { stringify } from 'yaml';
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

test.each([
  ['', 'an empty file'],
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
