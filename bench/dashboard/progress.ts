/** How far a part of the measurement is, on standard error: said after two seconds and every two from then on. */
import { formatDuration } from '../../apps/coordinator/src/admin/text.ts';

const intervalMs = 2000;

/** Make what hears of progress; `what` is said before the figures. */
export function progressOf(what: string, total: number): (done: number) => void {
  const startMs = performance.now();
  let saidMs = startMs;
  return (done) => {
    const nowMs = performance.now();
    if (nowMs - saidMs < intervalMs || done === 0) return;
    saidMs = nowMs;
    const leftMs = Math.round(((total - done) / done) * (nowMs - startMs));
    process.stderr.write(
      `dashboard: ${what}: ${done} of ${total}, about ${formatDuration(leftMs)} left\n`,
    );
  };
}
