import { PassThrough } from 'node:stream';
import { ask, Interrupted } from './terminal.ts';

const question = 'Code: ';
const whenStopped = 'stopped; ask again';
const world = (terminal = true) => ({
  ...{ input: new PassThrough(), output: new PassThrough(), terminal },
});

test('an answer is returned, and the input is free again', async () => {
  const streams = world();
  const answer = ask(question, whenStopped, streams);
  streams.input.write('abc\r');
  await expect(answer).resolves.toBe('abc');
  expect(streams.input.isPaused()).toBe(true);
});

test.each([
  ['Ctrl-C', 'ab\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s stops the command, which says how to go on', async (_name, typed) => {
  const streams = world();
  const answer = ask(question, whenStopped, streams);
  streams.input.write(typed);
  await expect(answer).rejects.toEqual(new Interrupted(whenStopped));
  await expect(answer).rejects.toBeInstanceOf(Interrupted);
});

test('so does an input that ends', async () => {
  const streams = world(false);
  const answer = ask(question, whenStopped, streams);
  streams.input.end();
  await expect(answer).rejects.toBeInstanceOf(Interrupted);
});
