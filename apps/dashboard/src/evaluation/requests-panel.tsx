/** Evaluations that were asked for beside the rounds, and what became of each. */
import { taskPath } from '../api/client.ts';
import { useFresh } from '../api/resources.ts';
import { evaluationRequestsSchema, type EvaluationRequest } from '../api/detail-schemas.ts';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';

function subjectOf({ subject, items }: EvaluationRequest): string {
  if (subject === 'baseline') return 'what each site trains alone';
  const versions = [...new Set(items.map(({ version }) => version))];
  return `${versions.length === 1 ? 'version' : 'versions'} ${versions.join(', ')}`;
}

const columns: readonly Column<EvaluationRequest>[] = [
  { label: 'What', cell: subjectOf },
  {
    label: 'State',
    cell: ({ closedAtMs }) => <StatusBadge status={closedAtMs === null ? 'open' : 'closed'} />,
  },
  { label: 'Asked', cell: ({ requestedAtMs }) => <Ago timeMs={requestedAtMs} /> },
  { label: 'Deadline', cell: ({ deadlineAtMs }) => <Ago timeMs={deadlineAtMs} /> },
  { label: 'What became of it', isWide: true, cell: ({ summary }) => summary },
  { label: 'Why', isWide: true, cell: ({ reason }) => reason ?? '–' },
];

/** Evaluations that were asked for beside the rounds. */
export function RequestsPanel({ task }: { readonly task: string }) {
  const path = taskPath(task, '/evaluation-requests');
  const { data, error } = useFresh(path, evaluationRequestsSchema, ['evaluations']);
  return (
    <Panel title="Evaluations that were asked for">
      {data === undefined ? (
        <Waiting error={error} />
      ) : data.requests.length === 0 ? (
        <Empty>None. Any version can be evaluated again: Versions, More, Evaluate.</Empty>
      ) : (
        <DataTable
          name="Evaluations that were asked for"
          columns={columns}
          rows={data.requests}
          keyOf={({ request }) => request}
        />
      )}
    </Panel>
  );
}
