/** Adapters that sites trained alone, at every site, as a table, and below it whom a figure is without. */
import { Text, Title } from '@mantine/core';
import type { Evaluations } from '../api/schemas.ts';
import { DataTable, type Column } from '../common/data-table.tsx';
import { localAdapterMatrixOf, type LocalAdapterRow } from './matrix.ts';

/** Adapters that sites trained alone, at every site; nothing where the task asks for none. */
export function LocalAdaptersTable({ evaluations }: { readonly evaluations: Evaluations }) {
  if (evaluations.localAdapters.length === 0) return null;
  const { sites, rows, notes } = localAdapterMatrixOf(evaluations);
  const columns: readonly Column<LocalAdapterRow>[] = [
    {
      label: 'Adapter of',
      cell: ({ owner }) => (
        <Text fw={600} size="sm">
          {owner}
        </Text>
      ),
    },
    { label: 'All sites', align: 'right', cell: ({ pooled }) => pooled },
    ...sites.map((site, at): Column<LocalAdapterRow> => ({
      label: site,
      align: 'right',
      cell: ({ cells }) => cells[at] ?? '',
    })),
  ];
  return (
    <div>
      <Title order={3} size="h6" mb={4}>
        AUC of what each site trained alone, at each site, the worst site first
      </Title>
      <DataTable
        name="Local adapters at sites"
        columns={columns}
        rows={rows}
        keyOf={({ owner }) => owner}
      />
      {notes.map((note) => (
        <Text key={note} size="xs" c="dimmed" mt={4}>
          {note}
        </Text>
      ))}
    </div>
  );
}
