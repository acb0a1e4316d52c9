/** Where one is: the part of the address behind the #, which the coordinator never sees. */
import { useSyncExternalStore } from 'react';
import { addressOf, placeOf, type Place } from './places.ts';

let hash = window.location.hash;
let place = placeOf(hash);
let wasMoved = false;

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => {
    window.removeEventListener('hashchange', listener);
  };
}

/** Where one is now: the same object for as long as the address is the same. */
export function placeNow(): Place {
  if (window.location.hash === hash) return place;
  hash = window.location.hash;
  place = placeOf(hash);
  wasMoved = true;
  return place;
}

/** Where one is. */
export function usePlace(): Place {
  return useSyncExternalStore(subscribe, placeNow);
}

/** Whether one has gone somewhere since the page was opened: then the heading takes the focus. */
export function hasMoved(): boolean {
  return wasMoved;
}

/** Go somewhere. `isReplaced`: the back button does not lead to where one was. */
export function goTo(to: Place, { isReplaced = false } = {}): void {
  if (isReplaced) window.location.replace(addressOf(to));
  else window.location.hash = addressOf(to);
}
