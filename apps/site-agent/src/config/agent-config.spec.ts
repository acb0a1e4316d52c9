/** The configuration: defaults, paths from the file's own folder, errors that name key and line. */
import { InputError } from '#core/errors';
import { parseAgentConfig } from './agent-config.ts';
import { exampleConfig } from './example-config.ts';

const minimal = 'dataDirectory: data\nbackbones: [vit]\n';

function errorOf(text: string): InputError {
  try {
    parseAgentConfig(text, '/etc/melo/agent.yaml');
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error('expected the configuration to be refused');
}

test('what is left out has its documented default, and paths start at the file', () => {
  const config = parseAgentConfig(minimal, '/etc/melo/agent.yaml');
  expect(config.dataDirectory).toBe('/etc/melo/data');
  expect(config.backbones).toEqual([{ path: '/etc/melo/vit', fingerprint: null }]);
  expect(config.engine.threads).toBeGreaterThanOrEqual(1);
  expect(config.engine.isAlone).toBe(false);
  expect(parseAgentConfig(`${minimal}engine: { alone: true }\n`, '/x').engine.isAlone).toBe(true);
  expect(config.connection.heartbeatIntervalMs).toBe(15_000);
  expect(config.trainer.attempts).toBe(3);
  expect(config.imageCacheBytesMax).toBe(2 * 1024 ** 3);
  expect(config.tasks.size).toBe(0);
});

test('the example that init writes is valid as it is', () => {
  const config = parseAgentConfig(exampleConfig, '/etc/melo/agent.yaml');
  expect(config.tasks.get('chest-xray')).toMatchObject({
    images: '/etc/melo/images/chest-xray',
    groupRegex: 'chest-xray',
    heldOutShare: 0.2,
  });
});

test.each([
  ['an unknown key', `${minimal}dataDirectry: x\n`, 3, 'dataDirectry'],
  [
    'an unknown key inside a task',
    `${minimal}tasks:\n  lung:\n    images: a\n    image: b\n`,
    6,
    'image',
  ],
  [
    'a share out of range',
    `${minimal}tasks:\n  lung:\n    images: a\n    heldOutShare: 2\n`,
    6,
    'heldOutShare',
  ],
  ['another engine', `${minimal}engine:\n  name: cuda\n`, 4, 'engine.name'],
  ['a missing key', 'backbones: [vit]\n', 1, 'dataDirectory'],
  ['no YAML', 'dataDirectory: [\n', 2, 'expected YAML'],
  ['an alias of nothing', `${minimal}engine: *there\n`, 3, 'there'],
  [
    'two ways to group',
    `${minimal}tasks:\n  lung:\n    images: a\n    manifest: m.csv\n    groupRegex: chest-xray\n`,
    7,
    'groupRegex',
  ],
])('%s is refused with its line', (_what, text, line, word) => {
  const error = errorOf(text);
  expect(error.code).toBe('CONFIG_INVALID');
  expect(error.message).toContain(`agent.yaml:${line}: `);
  expect(error.message).toContain(word);
});
