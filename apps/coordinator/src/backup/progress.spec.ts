import { nodeEnvironment } from '../admin/admin-environment.ts';
import { progressReporter } from './progress.ts';

/** What is said while the bytes done grow by a tenth a second. */
function said(isJson: boolean): string[] {
  const lines: string[] = [];
  let nowMs = 0;
  const environment = {
    ...nodeEnvironment(),
    nowMs: () => nowMs,
    print: (line: string) => lines.push(line),
    tell: (line: string) => lines.push(line),
  };
  const report = progressReporter(environment, isJson, 'backup');
  for (; nowMs <= 4500; nowMs += 500) report(nowMs * 100, 1_000_000);
  return lines;
}

test('what takes longer than two seconds says how far it is and how long it still takes', () => {
  expect(said(false)).toEqual([
    'backup: 200,000 bytes of 1,000,000 bytes, about 8 s left',
    'backup: 400,000 bytes of 1,000,000 bytes, about 6 s left',
  ]);
});

test('programs get the figures', () => {
  expect(said(true).map((line): unknown => JSON.parse(line))).toEqual([
    { event: 'progress', bytesDone: 200_000, bytesTotal: 1_000_000, remainingMs: 8000 },
    { event: 'progress', bytesDone: 400_000, bytesTotal: 1_000_000, remainingMs: 6000 },
  ]);
});
