/** One clock for the whole page: ages grow by themselves, without an answer of the coordinator. */
import { useSyncExternalStore } from 'react';
import { serverNowMs } from './server-time.ts';

const tickMs = 1000;
const listeners = new Set<() => void>();
let nowMs = serverNowMs();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    nowMs = serverNowMs();
    for (const each of listeners) each();
  }, tickMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The coordinator's time, once a second. */
export function useNowMs(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}
