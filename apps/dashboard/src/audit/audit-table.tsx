/** What happened, as a table. */
import { Text } from '@mantine/core';
import type { AuditEntry } from '../api/detail-schemas.ts';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { formatAbsolute } from '../common/format.ts';
import { Empty } from '../common/panel.tsx';

/** A value as it is read: digests by their beginning, times as times. */
function valueText(name: string, value: AuditEntry['details'][string]): string {
  if (typeof value === 'number' && name.endsWith('AtMs')) return formatAbsolute(value);
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[0-9a-f]{32,}$/.test(value) ? `${value.slice(0, 12)}…` : value;
}

function describe({ details }: AuditEntry): string {
  return Object.entries(details)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${valueText(name, value)}`)
    .join(', ');
}

/** What happened; broken at its dot where there is little room, never within a word. */
function Action({ action }: Pick<AuditEntry, 'action'>) {
  const dot = action.indexOf('.') + 1;
  return (
    <Text fw={600} size="sm" className="whole-words">
      {action.slice(0, dot)}
      <wbr />
      {action.slice(dot)}
    </Text>
  );
}

const columns: readonly Column<AuditEntry>[] = [
  { label: 'What', cell: ({ action }) => <Action action={action} /> },
  { label: 'When', cell: ({ atMs }) => <Ago timeMs={atMs} /> },
  { label: 'By', cell: ({ actor }) => actor },
  { label: 'To', cell: ({ target }) => target },
  {
    label: 'Details',
    isWide: true,
    cell: (entry) => (
      <Text size="xs" title={JSON.stringify(entry.details)}>
        {describe(entry) || '–'}
      </Text>
    ),
  },
  {
    label: 'In the chain',
    align: 'right',
    cell: ({ sequence }) => (sequence === null ? 'not yet' : sequence),
  },
];

/** What happened, as a table. */
export function AuditTable(props: {
  readonly name: string;
  readonly entries: readonly AuditEntry[];
}) {
  if (props.entries.length === 0) return <Empty>Nothing of this kind has happened.</Empty>;
  return (
    <DataTable
      name={props.name}
      columns={columns}
      rows={props.entries}
      keyOf={({ id }) => String(id)}
      shownMax={props.entries.length}
    />
  );
}
