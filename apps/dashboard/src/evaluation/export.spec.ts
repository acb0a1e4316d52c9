import { csvOf } from './export.ts';
import { pooledLine, type Lines } from './series.ts';

const lines = (label: string, value: number | null): Lines => ({
  points: [
    { version: 'v1', all: 0.9, site0: value },
    { version: 'v2', all: 0.95, site0: null },
  ],
  lines: [{ key: 'site0', label, kind: 'site' }, pooledLine],
});

test('a row for each version, a column for each line, and a gap where nothing was reported', () => {
  expect(csvOf(lines('north', 0.8))).toBe(
    'version,north,all sites (pooled)\r\n1,0.8,0.9\r\n2,,0.95\r\n',
  );
});

test.each([
  ['a "b", c', '"a ""b"", c"'],
  ['two\nlines', '"two\nlines"'],
  ['=1+1', "'=1+1"],
  ['@sum', "'@sum"],
])('the label %j is the cell %j', (label, cell) => {
  expect(csvOf(lines(label, null)).startsWith(`version,${cell},`)).toBe(true);
});
