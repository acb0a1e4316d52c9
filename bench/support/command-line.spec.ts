/** What the benchmarks' command line reads, refuses and tells. */
import { z } from 'zod';
import { parseCommandLine, usageOf } from './command-line.ts';

const command = {
  name: 'hops',
  about: 'Seconds a hop takes.',
  options: z.strictObject({
    sites: z.coerce.number().int().min(1).max(50).default(5).describe('how many sites'),
    shape: z.string().optional().describe('a shape'),
    names: z
      .string()
      .transform((list) => list.split(','))
      .prefault('a,b')
      .describe('names, between commas'),
    json: z.boolean().default(false).describe('on one line'),
  }),
};

describe('the command line of a benchmark', () => {
  it('reads options over their defaults', () => {
    expect(parseCommandLine(command, ['--sites', '7', '--json', '--names', 'c,d'])).toEqual({
      kind: 'run',
      options: { sites: 7, json: true, names: ['c', 'd'] },
    });
    expect(parseCommandLine(command, [])).toEqual({
      kind: 'run',
      options: { sites: 5, json: false, names: ['a', 'b'] },
    });
  });

  it.each([
    { line: ['--sites', '51'], reason: '--sites' },
    { line: ['--sites', 'many'], reason: '--sites' },
    { line: ['--hops', '1'], reason: '--hops' },
    { line: ['--json=yes'], reason: '--json' },
    { line: ['here'], reason: 'here' },
  ])('says what is wrong with $line', ({ line, reason }) => {
    expect(parseCommandLine(command, line)).toEqual({
      kind: 'wrong',
      reason: expect.stringContaining(reason),
    });
  });

  it('tells every option with its default', () => {
    expect(parseCommandLine(command, ['--sites', '0', '--help'])).toEqual({ kind: 'help' });
    expect(usageOf(command)).toBe(`Usage: npm run bench -- hops [options]

Seconds a hop takes.

  --sites SITES           how many sites (default 5)
  --shape SHAPE           a shape
  --names NAMES           names, between commas (default a,b)
  --json                  on one line
  --help                  this text
`);
  });
});
