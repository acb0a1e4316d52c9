/** Evaluations that were asked for beside the rounds, and what became of each. */
import { request } from '#api';
import { send } from '../api/client.ts';
import { useList } from '../api/resources.ts';
import { evaluationRequestsSchema, type EvaluationRequest } from '../api/detail-schemas.ts';
import { answerOfCommand } from '../api/schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { Ago } from '../common/ago.tsx';
import type { Column } from '../common/data-table.tsx';
import { ListTable } from '../common/list-table.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useMay } from '../session/access.ts';
import { maybeReason } from '../tasks/task-actions.tsx';

function subjectOf({ subject, owner, items }: EvaluationRequest): string {
  if (subject === 'baseline') return 'what each site trains alone';
  if (subject === 'baseline-upload') return 'the adapter that each site trains alone';
  if (subject === 'cross') return `the adapter that ${owner ?? 'a site'} trained alone`;
  const versions = [...new Set(items.map(({ version }) => version))];
  return `${versions.length === 1 ? 'version' : 'versions'} ${versions.join(', ')}`;
}

function cancelOf({ task, request: name, items }: EvaluationRequest): Action {
  const sites = new Set(items.filter(({ state }) => state === 'asked').map(({ site }) => site));
  return {
    label: 'Cancel',
    fullLabel: `Cancel the request of ${[...sites].join(', ')}`,
    title: 'Wait for no more reports?',
    explanation: `What has been reported stays. Named as lost, with your reason: ${[...sites].join(', ')}.`,
    verb: 'Cancel the request',
    reason: 'optional',
    run: (reason) =>
      send(
        request('POST', '/v1/tasks/{task}/evaluation-requests/{request}/cancel', answerOfCommand, {
          path: { task, request: name },
          body: maybeReason(reason),
        }),
      ),
    done: 'The request was cancelled.',
  };
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

const cancelColumn: Column<EvaluationRequest> = {
  label: 'Act',
  cell: (asked) => (asked.closedAtMs === null ? <ActionButton action={cancelOf(asked)} /> : '–'),
};

/** Evaluations that were asked for beside the rounds. */
export function RequestsPanel({ task }: { readonly task: string }) {
  const mayTrain = useMay('train');
  const list = useList(
    (query) =>
      request('GET', '/v1/tasks/{task}/evaluation-requests', evaluationRequestsSchema, {
        path: { task },
        query,
      }),
    (answer) => answer.requests,
    ['evaluations'],
  );
  return (
    <Panel title="Evaluations that were asked for">
      {list.data === undefined ? (
        <Waiting error={list.error} />
      ) : list.data.items.length === 0 ? (
        <Empty>
          {mayTrain
            ? 'None. Any version can be evaluated again: Versions, More, Evaluate.'
            : 'None. Administrators and scientists ask for them.'}
        </Empty>
      ) : (
        <ListTable
          name="Evaluations that were asked for"
          columns={mayTrain ? [...columns, cancelColumn] : columns}
          list={list}
          keyOf={(asked) => asked.request}
        />
      )}
    </Panel>
  );
}
