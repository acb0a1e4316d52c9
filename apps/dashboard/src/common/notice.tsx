/** What was done last, in a sentence that is read out and goes by itself. */
import { useSyncExternalStore } from 'react';

const shownMs = 8000;
const listeners = new Set<() => void>();
let text = '';
let timer: ReturnType<typeof setTimeout> | undefined;

function show(next: string): void {
  text = next;
  for (const listener of listeners) listener();
}

/** Say what was done. */
export function announce(next: string): void {
  clearTimeout(timer);
  show(next);
  timer = setTimeout(() => {
    show('');
  }, shownMs);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Where what was done is said. */
export function Notice() {
  const said = useSyncExternalStore(subscribe, () => text);
  return (
    <div role="status" className="notice" data-empty={said === ''}>
      {said}
    </div>
  );
}
