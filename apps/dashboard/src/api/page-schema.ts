/** What every list answers: the items of a page under a name of their own, and the cursor of the next one. */
import { z } from 'zod';

/** A page of a list whose items the coordinator calls by this name. */
export const pageSchema = <Item extends z.ZodType>(name: string, item: Item) =>
  z
    .looseObject({ nextCursor: z.string().nullable() })
    .transform(({ nextCursor, [name]: items }) => ({ items, nextCursor }))
    .pipe(z.object({ items: z.array(item), nextCursor: z.string().nullable() }));
