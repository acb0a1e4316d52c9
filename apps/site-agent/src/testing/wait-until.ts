/** Waiting in specs for what another part does in its own time. */

/** Wait until a condition holds; the limit, below that of a test, is for a spec that fails, not a measure. */
export async function waitUntil(
  isSo: () => boolean,
  what: string,
  timeoutMs = 50_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`${what}: not so after ${timeoutMs} ms`);
    await new Promise((wake) => setTimeout(wake, 5));
  }
}
