/**
 * How an adapter keeps its card through another tool's file: as metadata that the other tool does not read.
 *
 * `melo_card` is the card in canonical JSON and `melo_digest` the digest of the native file it came from. The card is taken back
 * as it stands only where the numbers still give that digest; otherwise it merely describes (classes, backbone), since its
 * lineage would be about other numbers.
 */
import {
  adapterCardSchema,
  adapterDigest,
  adapterLayout,
  encodeAdapterFile,
  specificationOf,
  type AdapterCard,
  type AdapterFile,
} from '#core/adapter';
import { canonicalJson } from '#core/bytes';
import { digestSchema } from '#core/protocol';

/** What our writer left beside the tensors. */
export interface Origin {
  readonly card: AdapterCard;
  /** Of the native file, 64 hexadecimal digits. */
  readonly digest: string;
}

const cardKey = 'melo_card';
const digestKey = 'melo_digest';

/** Write the metadata that carries an adapter's card. */
export function originMetadata({ specification, values, card }: AdapterFile): {
  readonly [key: string]: string;
} {
  const digest = adapterDigest(encodeAdapterFile({ specification, values, card }));
  return { format: 'pt', [cardKey]: canonicalJson(card), [digestKey]: digest };
}

/** Read it again; null where there is none, or where it is not as our writer leaves it. */
export function readOrigin(metadata: Readonly<Record<string, string>>): Origin | null {
  const { [cardKey]: text, [digestKey]: digest } = metadata;
  if (text === undefined || digest === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // other tools may do with metadata as they like: it only describes
  }
  const card = adapterCardSchema.safeParse(value);
  const parsedDigest = digestSchema.safeParse(digest);
  if (!card.success || !parsedDigest.success) return null;
  return { card: card.data, digest: parsedDigest.data };
}

/**
 * Write the native file that an origin names, if the numbers are still the same.
 *
 * @param numbers - `values`: flat, in the layout of the origin's card; `scale`: what the other tool applies
 * @returns the native file's bytes, or null where they would not have the origin's digest or another scale is applied
 */
export function restoreFromOrigin(
  { card, digest }: Origin,
  { values, scale }: { readonly values: Float32Array; readonly scale: number },
): Uint8Array | null {
  const specification = specificationOf(card);
  const layout = adapterLayout(specification);
  if (layout.size !== values.length || layout.hash !== card.layoutHash) return null;
  if (card.scale !== specification.scale || scale !== card.scale) return null;
  const bytes = encodeAdapterFile({ specification, values, card });
  return adapterDigest(bytes) === digest ? bytes : null;
}
