/** Lists that the coordinator answers page by page. */
import type { z } from 'zod';
import { read } from './client.ts';
import { Resource } from './resource.ts';
import type { ChangeTopic } from './schemas.ts';

/** Items of one request at most: what every list allows. */
const pageMax = 200;

/** What is known of a list. */
export interface List<Item> {
  readonly items: readonly Item[];
  /** Whether there are more than these. */
  readonly hasMore: boolean;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}
/** Asks for one page. */
type AskPage<Item> = (query: URLSearchParams) => Promise<Page<Item>>;

/** Asks for pages of the list at a path, which may have a query of its own. */
export const pagesAt =
  <Item>(path: string, schema: z.ZodType<Page<Item>>): AskPage<Item> =>
  (query) =>
    read(`${path}${path.includes('?') ? '&' : '?'}${query.toString()}`, schema);

/** Read a list page after page, to its end or to as many items as are wanted. */
export async function readList<Item>(ask: AskPage<Item>, wanted: number): Promise<List<Item>> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const limit = String(Math.min(pageMax, wanted - items.length));
    const query = new URLSearchParams({ limit, ...(cursor === null ? {} : { cursor }) });
    const page: Page<Item> = await ask(query);
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null && items.length < wanted);
  return { items, hasMore: cursor !== null };
}

/** The beginning of a list, kept fresh as far as somebody asked for it. */
export class ListResource<Item> extends Resource<List<Item>> {
  readonly #size: { wanted: number };

  constructor(ask: AskPage<Item>, topics: readonly ChangeTopic[], pageSize: number) {
    const size = { wanted: pageSize };
    super(() => readList(ask, size.wanted), topics);
    this.#size = size;
  }

  /** Show twice as many. */
  readonly more = (): void => {
    this.#size.wanted *= 2;
    this.look();
  };
}
