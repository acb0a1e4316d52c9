/** Every version at every site, as a table, and below it whom a figure is without. */
import { Text, Title } from '@mantine/core';
import type { Evaluations } from '../api/schemas.ts';
import { DataTable, type Column } from '../common/data-table.tsx';
import { matrixOf, type MatrixRow } from './matrix.ts';

/** Every version at every site. */
export function MatrixTable({ evaluations }: { readonly evaluations: Evaluations }) {
  const { versions, rows, notes } = matrixOf(evaluations);
  const hasBaselines = rows.some(({ alone }) => alone !== '');
  const columns: readonly Column<MatrixRow>[] = [
    {
      label: 'Site',
      cell: ({ name }) => (
        <Text fw={600} size="sm">
          {name}
        </Text>
      ),
    },
    ...(hasBaselines
      ? [{ label: 'Alone', align: 'right', cell: ({ alone }: MatrixRow) => alone } as const]
      : []),
    ...versions.map((version, at): Column<MatrixRow> => ({
      label: `Version ${version}`,
      align: 'right',
      cell: ({ cells }) => cells[at] ?? '',
    })),
  ];
  return (
    <div>
      <Title order={3} size="h6" mb={4}>
        AUC of each version at each site, the worst site first
      </Title>
      <DataTable
        name="Versions at sites"
        columns={columns}
        rows={rows}
        keyOf={({ name }) => name}
      />
      {notes.map((note) => (
        <Text key={note} size="xs" c="dimmed" mt={4}>
          {note}
        </Text>
      ))}
    </div>
  );
}
