/** Figures and times as people read them. */

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** A span of time in its largest unit, e.g. `12 s`, `3 min`, `5 h`, `2 d`. */
export function formatSpan(milliseconds: number): string {
  const span = Math.max(0, milliseconds);
  if (span < minute) return `${Math.floor(span / second)} s`;
  if (span < hour) return `${Math.floor(span / minute)} min`;
  if (span < day) return `${Math.floor(span / hour)} h`;
  return `${Math.floor(span / day)} d`;
}

/** The same with a tenth of a second below ten, where that is what is compared. */
export function formatShortSpan(milliseconds: number): string {
  const span = Math.max(0, milliseconds);
  return span < 10 * second ? `${(span / second).toFixed(1)} s` : formatSpan(span);
}

/** A time against now, e.g. `12 s ago` or `in 3 min`. */
export function formatRelative(timeMs: number, nowMs: number): string {
  const agoMs = nowMs - timeMs;
  if (Math.abs(agoMs) < second) return 'just now';
  return agoMs > 0 ? `${formatSpan(agoMs)} ago` : `in ${formatSpan(-agoMs)}`;
}

/** A time in full, in the reader's own zone. */
export function formatAbsolute(timeMs: number): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' }).format(
    timeMs,
  );
}

/** A number of bytes, e.g. `310 kB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}

/** A figure between 0 and 1, or a loss, with three digits; a dash where it is not defined. */
export function formatFigure(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toFixed(3);
}

/** A whole number with separators; a dash where there is none. */
export function formatCount(value: number | null): string {
  return value === null ? '–' : new Intl.NumberFormat().format(value);
}

/** `1 image`, `2 images`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
