/**
 * Pages of a list: what is asked for and what is answered. A cursor is the key of the last item of a page in the order of its
 * list, so that what comes or goes between two pages neither doubles nor hides another item.
 */
import { z } from 'zod';
import { assert } from '#core/errors';
import { pathNumber } from './contract.ts';

/** Between the parts of a key; it is in no name. */
const separator = '~';

/** Key of an item: what its list is ordered by, no other item has the same. */
export type PageKey = readonly (string | number)[];

/** A whole number in a key; one beyond what its column holds is beyond every row. */
const keyNumber = (maximum: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/)
    .transform((text) => Math.min(Number(text), maximum));
/** A number that counts something. */
export const keyCount = keyNumber(2_147_483_647);
/** A moment, or an id that grows with every row. */
export const keyBig = keyNumber(Number.MAX_SAFE_INTEGER);
/** A name in a key. */
export const keyText = z.string().regex(/^[!-}]{1,128}$/);

/** Items of a page: where nothing is asked for, and at most. */
export interface PageLimits {
  readonly byDefault: number;
  readonly max: number;
}

/** What a page is asked for with. */
export interface PageQuery<Key extends PageKey> {
  readonly limit: number;
  /** The key that the page before ended with; the first page where it is left out. */
  readonly cursor?: Key | undefined;
}

/** How a cursor is written: the document tells it, so that whoever fits the document is not refused. */
function patternOf(key: z.ZodType): RegExp {
  const { prefixItems = [] } = z.toJSONSchema(key, { io: 'input' });
  const parts = prefixItems.map((part) => {
    assert(typeof part === 'object' && part.pattern !== undefined, 'key: expected a pattern');
    return part.pattern.replaceAll(/^\^|\$$/g, '');
  });
  return new RegExp(`^${parts.join(separator)}$`);
}

/** The query of a list: fields of a strict object. */
export function pageQuery<Key extends PageKey>(
  key: z.ZodType<Key, string[]>,
  { byDefault, max }: PageLimits,
) {
  const expected =
    'expected what a page of this list answered as nextCursor; leave it out to begin again';
  return {
    limit: pathNumber(1, max, `Items of a page at most; ${byDefault} where left out.`).default(
      byDefault,
    ),
    cursor: z
      .string()
      .regex(patternOf(key), expected)
      .transform((text) => key.parse(text.split(separator)))
      .optional()
      .describe('What the page before answered as `nextCursor`; the first page where left out.'),
  };
}

/** What every page answers beside its items: the cursor of the next page; null where the list ends. */
export const nextCursor = z.string().nullable();

/** Items of a page, and the cursor of the next one. */
export interface Page<Item> {
  readonly items: Item[];
  readonly nextCursor: string | null;
}

/** Make a page of what was found: one item more than are shown tells that there are more. */
export function pageOf<Item>(
  found: readonly Item[],
  limit: number,
  keyOf: (item: Item) => PageKey,
): Page<Item> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const hasMore = found.length > limit && last !== undefined;
  return { items, nextCursor: hasMore ? keyOf(last).join(separator) : null };
}

/** Make a page of items that are held in memory, in ascending order of their names. */
export function pageOfNamed<Item>(
  all: readonly Item[],
  { limit, cursor }: PageQuery<readonly [string]>,
  nameOf: (item: Item) => string,
): Page<Item> {
  const after = cursor?.[0] ?? '';
  const found = all
    .filter((item) => nameOf(item) > after)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return pageOf(found, limit, (item) => [nameOf(item)]);
}
