/** The coordinator's clock as seen from here: ages are between its own times, whatever the clock of this machine says. */
let aheadMs = 0;

/** Take the Date header of an answer; it has whole seconds, so the middle of the second is the best guess. */
export function noteServerTime(header: string | null): void {
  const serverMs = Date.parse(header ?? '');
  if (Number.isNaN(serverMs)) return;
  const differenceMs = serverMs + 500 - Date.now();
  // Within a second and a half the clocks agree as far as this header can tell.
  aheadMs = Math.abs(differenceMs) < 1500 ? 0 : differenceMs;
}

/** Wall time of the coordinator in milliseconds. */
export function serverNowMs(): number {
  return Date.now() + aheadMs;
}
