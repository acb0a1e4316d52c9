/** `melo adapter diff`: where two adapters differ, in numbers and in their cards. */
import {
  compareAdapters,
  compareFields,
  type AdapterDifference,
  type FieldDifference,
  type ProductDifference,
  type TensorDifference,
} from '#core/formats';
import {
  cardOf,
  numbersOf,
  readAnyAdapter,
  standardOutput,
  type CommandOutput,
} from './adapter-files.ts';

const short = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};

/**
 * Compare two adapters of any formats and print where they differ.
 *
 * @param options - `isNumbersOnly`: cards do not count
 * @returns whether they are the same: numbers, scale, and the cards where both have one
 */
export async function diffAdapters(
  options: {
    readonly a: string;
    readonly b: string;
    readonly isNumbersOnly: boolean;
    readonly isJson: boolean;
  },
  { say }: CommandOutput = standardOutput,
): Promise<boolean> {
  const [a, b] = [await readAnyAdapter(options.a), await readAnyAdapter(options.b)];
  const difference = compareAdapters(numbersOf(a), numbersOf(b));
  const [cardA, cardB] = [cardOf(a), cardOf(b)];
  const areCardsCompared = cardA !== null && cardB !== null && !options.isNumbersOnly;
  const card = areCardsCompared ? compareFields(cardA, cardB) : [];
  const isSame = difference.isSame && card.length === 0;
  if (options.isJson) {
    const formats = { a: a.format, b: b.format };
    say(JSON.stringify({ ...difference, isSame, formats, areCardsCompared, card }));
    return isSame;
  }
  for (const line of differenceLines(difference)) say(line);
  for (const item of card) say(fieldLine('card', item));
  const isCardMissing = !options.isNumbersOnly && !areCardsCompared;
  if (isCardMissing) say('cards: not compared, one of the two has none');
  say(isSame ? 'the same' : 'different');
  return isSame;
}

function fieldLine(where: string, { field, a, b }: FieldDifference): string {
  return `${where} ${field}: ${short(a)} | ${short(b)}`;
}

function tensorLine({ name, shapes, maximumAbsolute, relative }: TensorDifference): string {
  if (shapes !== null)
    return `${name}: shapes (${shapes[0].join(', ')}) | (${shapes[1].join(', ')})`;
  const [largest, whole] = [maximumAbsolute ?? 0, relative ?? 0];
  return `${name}: max abs ${largest.toExponential(2)}, relative ${whole.toExponential(2)}`;
}

function productLine({ projection, cosine, relative }: ProductDifference): string {
  const angle = cosine === null ? 'one is zero' : `cosine ${cosine.toFixed(6)}`;
  return `${projection} s B A: relative ${relative.toExponential(2)}, ${angle}`;
}

function differenceLines({
  isSame,
  specification,
  tensors,
  products,
}: AdapterDifference): string[] {
  if (isSame) return [`0 of ${tensors.length} tensors differ`];
  const differing = tensors.filter(({ maximumAbsolute }) => maximumAbsolute !== 0);
  return [
    ...specification.map((item) => fieldLine('specification', item)),
    ...differing.map(tensorLine),
    ...products.map(productLine),
    `${differing.length} of ${tensors.length} tensors differ`,
  ];
}
