/** A table that becomes a list of cards on a phone; the roles keep it a table for whoever listens to it. */
import { Button } from '@mantine/core';
import { useState, type ReactNode } from 'react';

/** One column. */
export interface Column<Row> {
  readonly label: string;
  readonly cell: (row: Row) => ReactNode;
  readonly align?: 'right';
  /** Takes the whole width of a card. */
  readonly isWide?: true;
}

/** Rows shown before somebody asks for all, where a table does not say otherwise. */
const shownMaxDefault = 25;

/** A table that becomes a list of cards on a phone. */
export function DataTable<Row>(props: {
  readonly name: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly shownMax?: number;
}) {
  const { name, columns, rows, keyOf, shownMax = shownMaxDefault } = props;
  const [isWhole, setIsWhole] = useState(false);
  const shown = isWhole ? rows : rows.slice(0, shownMax);
  return (
    <>
      <table className="table" role="table" aria-label={name}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ label, align }) => (
              <th key={label} role="columnheader" scope="col" data-align={align}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map((row) => (
            <tr key={keyOf(row)} role="row">
              {columns.map(({ label, align, isWide, cell }) => (
                <td
                  key={label}
                  role="cell"
                  data-label={label}
                  data-align={align}
                  data-wide={isWide}
                >
                  <div>{cell(row)}</div>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < rows.length && (
        <Button mt="xs" size="compact-sm" variant="default" onClick={() => setIsWhole(true)}>
          {`Show all ${rows.length}`}
        </Button>
      )}
    </>
  );
}
