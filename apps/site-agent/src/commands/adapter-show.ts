/** `melo adapter show`: what an adapter of any format is. */
import { activationOf, adapterDigest } from '#core/adapter';
import {
  cardOf,
  numbersOf,
  readAnyAdapter,
  standardOutput,
  type CommandOutput,
  type ReadOptions,
} from './adapter-files.ts';

const answerText = {
  softmax: 'one of them for each image, by softmax',
  sigmoid: 'a yes or no for each, by sigmoid',
} as const;

/**
 * Print an adapter's card; of another tool's file its sizes and what had to be filled in.
 *
 * @param options - `isJson`: one line, the card itself where the format is our own
 */
export async function showAdapter(
  path: string,
  options: ReadOptions & { readonly isJson: boolean },
  { say }: CommandOutput = standardOutput,
): Promise<void> {
  const adapter = await readAnyAdapter(path, options);
  const { specification, layout } = numbersOf(adapter);
  const card = cardOf(adapter);
  if (adapter.format === 'melo' && options.isJson) {
    say(JSON.stringify(card));
    return;
  }
  const { rank, alpha, scale, dimension, blocks, classes } = specification;
  const notes = adapter.format === 'melo' ? [] : adapter.foreign.notes;
  const digest = adapterDigest(adapter.bytes);
  if (options.isJson) {
    const sizes = { rank, alpha, scale, dimension, blocks, classes: classes.length };
    say(JSON.stringify({ format: adapter.format, ...sizes, notes, digest, card }));
    return;
  }
  if (card !== null) {
    say(`${card.title} (${card.task}, version ${card.version})`);
    say(`classes: ${card.classes.join(', ')} (${answerText[activationOf(card)]})`);
    say(`backbone: ${card.backbone.name}, fingerprint ${card.backbone.fingerprint}`);
  }
  say(
    `format ${adapter.format}: rank ${rank}, alpha ${alpha}, scale ${scale}, ${layout.size} numbers`,
  );
  say(`for a backbone of ${blocks} blocks, D = ${dimension}; ${classes.length} classes`);
  say(`digest ${digest}`);
  for (const note of notes) say(`note: ${note}`);
  if (card !== null) say(JSON.stringify(card, null, 2));
}
