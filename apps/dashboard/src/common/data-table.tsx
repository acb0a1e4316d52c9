/** A table that becomes a list of cards on a phone; the roles keep it a table for whoever listens to it. */
import type { ReactNode } from 'react';

/** One column. */
export interface Column<Row> {
  readonly label: string;
  readonly cell: (row: Row) => ReactNode;
  readonly align?: 'right';
  /** Takes the whole width of a card. */
  readonly isWide?: true;
}

/** A table that becomes a list of cards on a phone. */
export function DataTable<Row>(props: {
  readonly name: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
}) {
  const { name, columns, rows, keyOf } = props;
  return (
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
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row">
            {columns.map(({ label, align, isWide, cell }) => (
              <td key={label} role="cell" data-label={label} data-align={align} data-wide={isWide}>
                <div>{cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
