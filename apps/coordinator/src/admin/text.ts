/** How the admin commands write figures for people: tables, times, sizes; and how they read a number. */
import { InputError } from '#core/errors';

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** One line a row, columns two blanks apart; a column without any value is left out. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const kept = headings.flatMap((heading, column) => {
    const cells = rows.map((row) => row[column] ?? '');
    if (cells.every((cell) => cell === '')) return [];
    const width = Math.max(heading.length, ...cells.map((cell) => cell.length));
    return [[heading, ...cells].map((cell) => cell.padEnd(width))];
  });
  return Array.from({ length: rows.length + 1 }, (_, line) =>
    kept
      .map((column) => column[line] ?? '')
      .join('  ')
      .trimEnd(),
  ).join('\n');
}

/** Pairs of a name and a value, one a line; a pair without a value is left out. */
export function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  const shown = pairs.filter(([, value]) => value !== '');
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/** A moment as `2026-03-01T09:30:00Z`. */
export function formatUtc(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** A moment as `2026-03-01T09:30:00Z (5 min ago)`; an empty text for null. */
export function formatTime(timeMs: number | null, nowMs: number): string {
  if (timeMs === null) return '';
  return `${formatUtc(timeMs)} (${formatDistance(timeMs, nowMs)})`;
}

/** A text without what would steer a terminal: reasons are written by sites, and titles by people. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, '\ufffd');
}

/** How far a moment lies from now, e.g. `in 2 h` or `5 min ago`. */
export function formatDistance(timeMs: number, nowMs: number): string {
  const distanceMs = Math.abs(timeMs - nowMs);
  if (distanceMs < secondMs) return 'now';
  const text = formatDuration(distanceMs);
  return timeMs > nowMs ? `in ${text}` : `${text} ago`;
}

/** A duration in its largest unit, rounded down. */
export function formatDuration(durationMs: number): string {
  if (durationMs >= 2 * dayMs) return `${Math.floor(durationMs / dayMs)} days`;
  if (durationMs >= hourMs) return `${Math.floor(durationMs / hourMs)} h`;
  if (durationMs >= minuteMs) return `${Math.floor(durationMs / minuteMs)} min`;
  return `${Math.floor(durationMs / secondMs)} s`;
}

/** Read a whole number that a person typed. */
export function parseNumber(where: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InputError('USAGE', `${where}: expected a whole number, got ${JSON.stringify(text)}`);
}

/** A size in bytes, grouped by thousands. */
export function formatBytes(count: number): string {
  return `${count.toString().replace(/\B(?=(\d{3})+$)/g, ',')} bytes`;
}

/** A share of one as a percentage without decimals; an empty text for null. */
export function formatShare(share: number | null): string {
  return share === null ? '' : `${Math.round(share * 100)} %`;
}

/** A figure of an evaluation with four decimals; `undefined` is said in words, since it is not zero. */
export function formatFigure(figure: number | null): string {
  return figure === null ? 'not defined' : figure.toFixed(4);
}
