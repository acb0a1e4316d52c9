import { createInterface } from 'node:readline/promises';
import { PassThrough } from 'node:stream';
import { answerOf } from './admin-environment.ts';

test.each([
  ['an answer', 'yes\r', 'yes'],
  ['an empty answer', '\r', ''],
  ['Ctrl-C', 'ye\u0003', undefined],
  ['Ctrl-D', '\u0004', undefined],
])('%s at a question', async (_what, typed, expected) => {
  const input = new PassThrough();
  const terminal = createInterface({ input, output: new PassThrough(), terminal: true });
  const answer = answerOf(terminal, 'Sure? ');
  input.write(typed);
  await expect(answer).resolves.toBe(expected);
});

test('an end of the input without an answer is none', async () => {
  const input = new PassThrough();
  const answer = answerOf(createInterface({ input, output: new PassThrough() }), 'Sure? ');
  input.end();
  await expect(answer).resolves.toBeUndefined();
});
