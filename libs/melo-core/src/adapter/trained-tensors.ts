/** Which tensors of an adapter a round trains. */
import { InputError } from '#core/errors';
import type { AdapterLayout } from './layout.ts';

/**
 * Turn a task's selection into tensor names.
 *
 * @param selection - `all`, `head` (a linear probe), or names
 * @returns names in the layout's order, each once
 * @throws InputError LAYOUT_MISMATCH naming a tensor that the layout lacks or that stands twice
 */
export function resolveTrainedTensors(
  selection: 'all' | 'head' | readonly string[],
  layout: AdapterLayout,
): string[] {
  const names = layout.tensors.map(({ name }) => name);
  if (selection === 'all') return names;
  if (selection === 'head') return names.filter((name) => name.startsWith('head.'));
  const chosen = new Set<string>();
  const known = new Set(names);
  for (const name of selection) {
    if (!known.has(name) || chosen.has(name)) {
      throw new InputError(
        'LAYOUT_MISMATCH',
        `trained tensors: expected names of the layout, each once, ${name} is ${known.has(name) ? 'repeated' : 'not one'}; correct the task definition`,
        { tensor: name },
      );
    }
    chosen.add(name);
  }
  return names.filter((name) => chosen.has(name));
}
