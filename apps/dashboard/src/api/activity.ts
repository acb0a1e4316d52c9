/** When a person last did something with the page: what it looks at by itself does not keep a session open. */
const recentMs = 60_000;
let activeAtMs = Number.NEGATIVE_INFINITY;

/** Say that a person did something just now. */
export function noteActivity(): void {
  activeAtMs = performance.now();
}

/** Tell whether a person did something within the last minute. */
export function wasActiveLately(): boolean {
  return performance.now() - activeAtMs < recentMs;
}

/** Take clicks and keys as a person's doing. */
export function watchActivity(): void {
  for (const event of ['pointerdown', 'keydown'] as const) {
    window.addEventListener(event, noteActivity, { passive: true });
  }
}
