import {
  formatBytes,
  formatFigure,
  formatRelative,
  formatShortSpan,
  formatSpan,
  plural,
} from './format.ts';

describe('figures as people read them', () => {
  test.each([
    [0, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_599_999, '59 min'],
    [3_600_000, '1 h'],
    [86_399_999, '23 h'],
    [86_400_000, '1 d'],
    [-5, '0 s'],
  ])('a span of %d ms is %s', (span, text) => {
    expect(formatSpan(span)).toBe(text);
  });

  test.each([
    [1449, '1.4 s'],
    [9999, '10.0 s'],
    [10_000, '10 s'],
    [61_000, '1 min'],
  ])('a short span of %d ms is %s', (span, text) => {
    expect(formatShortSpan(span)).toBe(text);
  });

  test.each([
    [0, 'just now'],
    [-12_000, '12 s ago'],
    [180_000, 'in 3 min'],
  ])('a time %d ms from now is %s', (offset, text) => {
    expect(formatRelative(1_000_000 + offset, 1_000_000)).toBe(text);
  });

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [310_400, '310 kB'],
    [1_250_000, '1.3 MB'],
    [72_541_200_000, '72.5 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test('an undefined figure is a dash and never a zero', () => {
    expect([formatFigure(null), formatFigure(undefined), formatFigure(0)]).toEqual([
      '–',
      '–',
      '0.000',
    ]);
  });

  test('one is not many', () => {
    expect([plural(1, 'site'), plural(0, 'site'), plural(2, 'site')]).toEqual([
      '1 site',
      '0 sites',
      '2 sites',
    ]);
  });
});
