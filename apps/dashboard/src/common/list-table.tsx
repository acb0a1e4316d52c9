/** A table of the beginning of a list, and below it how many more there are to load. */
import { Button, Group, Text } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import type { ApiError } from '../api/client.ts';
import type { List } from '../api/lists.ts';
import { DataTable, type Column } from './data-table.tsx';
import { formatCount } from './format.ts';

/** A list as it is shown. */
export interface ShownList<Item> {
  readonly data: List<Item> | undefined;
  readonly error: ApiError | undefined;
  readonly more: () => void;
}

function standing(count: number, hasMore: boolean): string {
  const shown = `${formatCount(count)} shown`;
  return hasMore ? `${shown}, there are more.` : `${shown}: all of them.`;
}

/** How many are shown, and a button for more; nothing where the first page is all. */
export function ListEnd<Item>(props: { readonly name: string; readonly list: ShownList<Item> }) {
  const { data, error, more } = props.list;
  const { items, hasMore } = data ?? { items: [], hasMore: false };
  /** Rows that were there when more were asked for; null where nobody asked. */
  const [asked, setAsked] = useState<number | null>(null);
  const text = useRef<HTMLParagraphElement>(null);
  // The button goes with the end of the list: whoever pressed it is not sent back to the top of the page.
  useEffect(() => {
    if (asked !== null && !hasMore) text.current?.focus();
  }, [hasMore]);
  if (!hasMore && asked === null) return null;
  const isBusy = asked === items.length && hasMore;
  return (
    <Group mt="xs" gap="sm">
      <Text size="sm" role="status" ref={text} tabIndex={-1}>
        {isBusy ? (error?.message ?? 'More are being loaded.') : standing(items.length, hasMore)}
      </Text>
      {hasMore && (
        <Button
          size="compact-sm"
          variant="default"
          aria-label={`Load more: ${props.name}`}
          onClick={() => {
            // Pressed twice it would be asked for four times as many; a button that is disabled meanwhile loses the focus.
            if (isBusy && error === undefined) return;
            setAsked(items.length);
            more();
          }}
        >
          Load more
        </Button>
      )}
    </Group>
  );
}

/** A table of the beginning of a list. */
export function ListTable<Item>(props: {
  readonly name: string;
  readonly columns: readonly Column<Item>[];
  readonly list: ShownList<Item>;
  readonly keyOf: (item: Item) => string;
}) {
  const { name, columns, list, keyOf } = props;
  const items = list.data?.items ?? [];
  return (
    <>
      <DataTable name={name} columns={columns} rows={items} keyOf={keyOf} shownMax={items.length} />
      <ListEnd name={name} list={list} />
    </>
  );
}
