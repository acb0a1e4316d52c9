import { bytesText, pullReporter, Rate } from './backbone-progress.ts';
import type { PullProgress } from '../backbones/pull-backbone.ts';

const download = (done: number): PullProgress => ({
  ...{ phase: 'download', path: 'model.safetensors' },
  ...{ done, bytes: 10_000_000 },
});

function reporterAt(options: { readonly isJson: boolean; readonly isTerminal: boolean }) {
  const written: string[] = [];
  const json: string[] = [];
  let nowMs = 0;
  const reporter = pullReporter({
    ...options,
    now: () => nowMs,
    write: (text) => written.push(text),
    writeJson: (line) => json.push(line),
  });
  const reportAt = (ms: number, done: number): void => {
    nowMs = ms;
    reporter.report(download(done));
  };
  return { reporter, reportAt, written, json };
}

test('a rate is that of the last seconds', () => {
  const rate = new Rate();
  expect(rate.remainingSeconds(0, 0, 1000)).toBeNull();
  expect(rate.remainingSeconds(1000, 100, 1000)).toBe(9);
  expect(rate.remainingSeconds(30_000, 100, 1000)).toBeNull(); // nothing came for long
  expect(rate.remainingSeconds(31_000, 600, 1000)).toBeLessThanOrEqual(24);
});

test('a terminal has one line that rewrites itself, and is left at the end', () => {
  const { reportAt, written } = reporterAt({ isJson: false, isTerminal: true });
  reportAt(0, 0);
  reportAt(100, 1_000_000); // too soon
  reportAt(1000, 5_000_000);
  reportAt(1100, 10_000_000); // the end always shows
  expect(written).toEqual([
    '\rmodel.safetensors: 0 kB of 10 MB, 0 %\x1b[K',
    '\rmodel.safetensors: 5 MB of 10 MB, 50 %, about 1 s left\x1b[K',
    '\rmodel.safetensors: 10 MB of 10 MB, 100 %, about 0 s left\x1b[K',
    '\n',
  ]);
});

test('elsewhere there is a line every ten seconds', () => {
  const { reportAt, written } = reporterAt({ isJson: false, isTerminal: false });
  for (let ms = 0; ms <= 20_000; ms += 1000) reportAt(ms, ms * 100);
  expect(written).toHaveLength(3);
  expect(written[1]).toBe('model.safetensors: 1 MB of 10 MB, 10 %, about 2 min left\n');
});

test('under --json each is one line of JSON with the time that is left', () => {
  const { reportAt, json, written } = reporterAt({ isJson: true, isTerminal: true });
  reportAt(0, 0);
  reportAt(10_000, 5_000_000);
  expect(written).toEqual([]);
  expect(json.map((line) => JSON.parse(line) as unknown)).toEqual([
    { event: 'download', path: 'model.safetensors', done: 0, bytes: 10_000_000, etaSeconds: null },
    {
      event: 'download',
      path: 'model.safetensors',
      done: 5_000_000,
      bytes: 10_000_000,
      etaSeconds: 10,
    },
  ]);
});

test.each([
  [1, '1 kB'],
  [22_900_000, '23 MB'],
  [1_217_000_000, '1.2 GB'],
])('%d bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
