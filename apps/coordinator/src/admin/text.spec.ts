import {
  formatBytes,
  formatDistance,
  formatFigure,
  formatShare,
  formatTable,
  formatTime,
} from './text.ts';

const nowMs = Date.UTC(2026, 2, 1, 12);

describe('text for people', () => {
  test.each([
    [-500, 'now'],
    [-1000, '1 s ago'],
    [-59_999, '59 s ago'],
    [-60_000, '1 min ago'],
    [3_600_000, 'in 1 h'],
    [-47 * 3_600_000, '47 h ago'],
    [-48 * 3_600_000, '2 days ago'],
  ])('%i ms from now is "%s"', (distanceMs, text) => {
    expect(formatDistance(nowMs + distanceMs, nowMs)).toBe(text);
  });

  test('a time is shown both ways, null as nothing', () => {
    expect(formatTime(nowMs - 60_000, nowMs)).toBe('2026-03-01T11:59:00Z (1 min ago)');
    expect(formatTime(null, nowMs)).toBe('');
  });

  test('a table leaves out columns that say nothing and pads the others', () => {
    const table = formatTable(
      ['A', 'EMPTY', 'B'],
      [
        ['long value', '', '1'],
        ['x', '', '22'],
      ],
    );
    expect(table).toBe('A           B\nlong value  1\nx           22');
  });

  test('figures: sizes are grouped, an undefined metric is not shown as zero', () => {
    expect(formatBytes(1234567)).toBe('1,234,567 bytes');
    expect(formatBytes(999)).toBe('999 bytes');
    expect(formatFigure(null)).toBe('not defined');
    expect(formatFigure(0.97654)).toBe('0.9765');
    expect(formatShare(0)).toBe('0 %');
    expect(formatShare(null)).toBe('');
  });
});
