import { demoPlan } from './plan.ts';
import { parseOptions, UsageError } from './options.ts';

test('what is left out is as the plan has it', () => {
  expect(parseOptions([])).toEqual({
    rounds: demoPlan.rounds,
    sites: demoPlan.sites,
    seed: demoPlan.seed,
    imagesPerSite: demoPlan.imagesPerSite,
    skew: demoPlan.skew,
    backbone: undefined,
    data: undefined,
    out: 'melo-demo',
    isBrowserOpened: true,
    isJson: false,
    isStaying: false,
  });
});

test('every option is taken', () => {
  const line =
    '--rounds 3 --sites 5 --seed 7 --images-per-site 20 --skew .25 --backbone b --data d --out o --no-open --json --stay';
  expect(parseOptions(line.split(' '))).toEqual({
    rounds: 3,
    sites: 5,
    seed: 7,
    imagesPerSite: 20,
    skew: 0.25,
    backbone: 'b',
    data: 'd',
    out: 'o',
    isBrowserOpened: false,
    isJson: true,
    isStaying: true,
  });
});

test('help is asked for', () => {
  expect(parseOptions(['--help'])).toBe('help');
});

test.each([
  ['--rounds', '0'],
  ['--rounds', '101'],
  ['--rounds', '1.5'],
  ['--rounds', 'x'],
  ['--sites', '0'],
  ['--sites', '17'],
  ['--seed', '4294967296'],
  ['--images-per-site', '11'],
  ['--skew', '1.1'],
  ['--skew', '1e-1'],
  ['--skew', ''],
  ['--data', ''],
])('%s %p is refused by its name', (name, value) => {
  expect(() => parseOptions([name, value])).toThrow(UsageError);
  expect(() => parseOptions([name, value])).toThrow(name);
});

test.each([['--round', '3'], ['stray']])('%p is unknown', (...line) => {
  expect(() => parseOptions(line)).toThrow(UsageError);
});
