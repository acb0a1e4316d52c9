/** A time: relative to read, absolute on hover. */
import { formatAbsolute, formatRelative } from './format.ts';
import { useNowMs } from './use-now.ts';

/** A time: relative to read, absolute on hover. */
export function Ago({ timeMs }: { readonly timeMs: number }) {
  const nowMs = useNowMs();
  return (
    <time dateTime={new Date(timeMs).toISOString()} title={formatAbsolute(timeMs)}>
      {formatRelative(timeMs, nowMs)}
    </time>
  );
}
