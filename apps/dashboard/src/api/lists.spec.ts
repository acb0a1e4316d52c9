import { readList, type Part } from './lists.ts';

/** A list of so many numbers, and what was asked of it. */
function listOf(count: number) {
  const asked: Part[] = [];
  const ask = async (part: Part) => {
    asked.push(part);
    const first = Number(part.cursor ?? 0);
    const end = Math.min(count, first + part.limit);
    const items = Array.from({ length: end - first }, (_, at) => first + at);
    return { items, nextCursor: end < count ? String(end) : null };
  };
  return { ask, asked };
}

test('a page that is all needs one request', async () => {
  const { ask, asked } = listOf(7);
  expect(await readList(ask, 25)).toEqual({ items: [0, 1, 2, 3, 4, 5, 6], hasMore: false });
  expect(asked).toEqual([{ limit: 25, cursor: undefined }]);
});

test('as many are read as are wanted, and that there are more is known', async () => {
  const { ask, asked } = listOf(1000);
  const { items, hasMore } = await readList(ask, 450);
  expect([items.length, new Set(items).size, hasMore]).toEqual([450, 450, true]);
  expect(asked).toEqual([
    { limit: 200, cursor: undefined },
    { limit: 200, cursor: '200' },
    { limit: 50, cursor: '400' },
  ]);
});

test('a list that ends with a page has no more', async () => {
  const { ask } = listOf(50);
  expect(await readList(ask, 50)).toMatchObject({ hasMore: false });
});
