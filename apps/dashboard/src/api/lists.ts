/** Lists that the coordinator answers page by page. */
import type { z } from 'zod';
import type { ApiRequest } from '#api';
import { send } from './client.ts';
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

/** Which part of a list is asked for; the beginning where `cursor` is undefined. */
export interface Part {
  readonly limit: number;
  readonly cursor: string | undefined;
}
/** How every page of a list ends. */
export interface PageEnd {
  readonly nextCursor: string | null;
}
interface Page<Item> extends PageEnd {
  readonly items: readonly Item[];
}
/** Asks for one page. */
type AskPage<Item> = (part: Part) => Promise<Page<Item>>;

/** Asks for pages of a list, whose items the coordinator has under a name of their own. */
export const pagesOf =
  <Answer extends PageEnd, Item>(
    asking: (part: Part) => ApiRequest<z.ZodType<Answer>>,
    itemsOf: (answer: Answer) => readonly Item[],
  ): AskPage<Item> =>
  async (part) => {
    const answer = await send(asking(part));
    return { items: itemsOf(answer), nextCursor: answer.nextCursor };
  };

/** Read a list page after page, to its end or to as many items as are wanted. */
export async function readList<Item>(ask: AskPage<Item>, wanted: number): Promise<List<Item>> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const limit = Math.min(pageMax, wanted - items.length);
    const page: Page<Item> = await ask({ limit, cursor: cursor ?? undefined });
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
    void this.look(true);
  };
}
