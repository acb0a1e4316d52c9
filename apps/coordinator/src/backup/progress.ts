/** How far a backup or a restore is: said after two seconds and every two from then on. */
import type { AdminEnvironment } from '../admin/admin-environment.ts';
import { formatBytes, formatDuration } from '../admin/text.ts';

const intervalMs = 2000;

/** Make what hears of progress; `what` is said before the figures. */
export function progressReporter(
  environment: AdminEnvironment,
  isJson: boolean,
  what: string,
): (bytesDone: number, bytesTotal: number) => void {
  let startMs: number | null = null;
  let saidMs = 0;
  return (bytesDone, bytesTotal) => {
    const nowMs = environment.nowMs();
    if (startMs === null) startMs = saidMs = nowMs; // what came before it, such as a snapshot, says nothing of the rate
    if (nowMs - saidMs < intervalMs) return;
    saidMs = nowMs;
    const left = bytesDone === 0 ? 0 : Math.max(0, bytesTotal - bytesDone) / bytesDone;
    const remainingMs = Math.round(left * (nowMs - startMs));
    if (isJson) {
      environment.print(JSON.stringify({ event: 'progress', bytesDone, bytesTotal, remainingMs }));
      return;
    }
    const figures = `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`;
    environment.tell(`${what}: ${figures}, about ${formatDuration(remainingMs)} left`);
  };
}
