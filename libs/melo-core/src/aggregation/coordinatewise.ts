/** Rules that look at each number of all sites together: the values of one entry, sorted, become one value. */
import { checkFinite } from '#core/check';
import type { SiteUpdate } from './method.ts';

/** Turns an entry's values, ascending, into its change. */
export type EntryRule = (sorted: Float64Array) => number;

/**
 * Apply a rule to every entry.
 *
 * @param updates - one or more, (P) each
 * @returns (P), new
 * @throws InputError NON_FINITE_UPDATE naming the site: among sorted values it would not show
 */
export function combineEntries(updates: readonly SiteUpdate[], rule: EntryRule): Float64Array {
  const deltas = updates.map(({ site, delta }) => checkFinite(delta, `update of ${site}`));
  const change = new Float64Array(deltas[0]?.length ?? 0);
  const entry = new Float64Array(deltas.length);
  for (let index = 0; index < change.length; index++) {
    let site = 0;
    for (const delta of deltas) {
      insert(entry, site, delta[index] ?? 0);
      site += 1;
    }
    change[index] = rule(entry);
  }
  return change;
}

/** Put a value into the first `count` entries, which are ascending; quick for as few as there are sites. */
function insert(sorted: Float64Array, count: number, value: number): void {
  let at = count;
  for (; at > 0; at--) {
    const before = sorted[at - 1] ?? 0;
    if (before <= value) break;
    sorted[at] = before;
  }
  sorted[at] = value;
}
