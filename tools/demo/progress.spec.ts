import { bar, durationText, leftText, ProgressView, TimeLeft } from './progress.ts';

/** What was written, on a terminal of 30 columns or into a pipe. */
function stream(isTTY: boolean): {
  isTTY: boolean;
  columns: number;
  text: string;
  write(text: string): void;
} {
  return {
    isTTY,
    columns: 30,
    text: '',
    write(text) {
      this.text += text;
    },
  };
}

test.each([
  [-1, '[----]'],
  [0, '[----]'],
  [0.5, '[##--]'],
  [1, '[####]'],
  [7, '[####]'],
])('a bar of %p is %p', (share, drawn) => {
  expect(bar(share, 4)).toBe(drawn);
});

test('what is left goes by what was done since the first work: the start does not count', () => {
  const left = new TimeLeft();
  expect(left.at(100, 0)).toBeNull();
  expect(left.at(1000, 0.1)).toBeNull();
  expect(left.at(1020, 0.3)).toBeCloseTo(70, 9);
  expect(left.at(1090, 1)).toBe(0);
  expect(left.at(1091, 2)).toBe(0);
});

test('with nothing to go by nothing is claimed', () => {
  const left = new TimeLeft();
  expect(left.at(10, Number.NaN)).toBeNull();
  expect(left.at(20, 0.01)).toBeNull();
  expect(left.at(900, 0.05)).toBeNull();
  expect(left.at(900, 0.07)).not.toBeNull();
  expect(leftText(null)).toBe('time left not known yet');
  expect(leftText(90)).toBe('about 90 s left');
});

test.each([
  [0.4, '0 s'],
  [119.4, '119 s'],
  [120, '2 min 0 s'],
  [3599.6, '60 min 0 s'],
])('%p seconds are %p', (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test('on a terminal bars are drawn in place of those before, cut to its width, and lines stay', () => {
  const terminal = stream(true);
  const view = new ProgressView(terminal);
  view.draw(['one', 'x'.repeat(100)]);
  view.draw(['two']);
  view.say('stays');
  view.say('too');
  expect(terminal.text).toBe(
    `one\n${'x'.repeat(29)}\n\u001B[2A\u001B[0Jtwo\n\u001B[1A\u001B[0Jstays\ntoo\n`,
  );
});

test('in a pipe there are lines alone', () => {
  const pipe = stream(false);
  const view = new ProgressView(pipe);
  view.draw(['a bar']);
  view.say('a line');
  view.clear();
  expect(pipe.text).toBe('a line\n');
});
