/** Every attempt of a task: what became of it, how long it took, who is missing in it and why. */
import { Stack, Text } from '@mantine/core';
import { request } from '#api';
import { useList } from '../api/resources.ts';
import { roundsSchema, type Round } from '../api/schemas.ts';
import type { Column } from '../common/data-table.tsx';
import { formatBytes, formatSpan } from '../common/format.ts';
import { Ago } from '../common/ago.tsx';
import { Link } from '../common/link.tsx';
import { ListTable } from '../common/list-table.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { missingMembers } from './member-state.ts';

function Missing({ round }: { readonly round: Round }) {
  if (round.settledAtMs === null) return <Text size="sm">under way</Text>;
  const missing = missingMembers(round.members);
  if (missing.length === 0) return <Text size="sm">nobody</Text>;
  return (
    <Stack gap={2}>
      {missing.map(({ site, status, reason }) => (
        <Text key={site} size="sm">
          <b>{site}</b> {status}
          {reason === null ? '' : `: ${reason}`}
        </Text>
      ))}
    </Stack>
  );
}

const columnsOf = (task: string): readonly Column<Round>[] => [
  {
    label: 'Round',
    cell: ({ round, attempt }) => (
      <Link to={{ page: 'round', task, round, attempt }}>
        {attempt > 1 ? `Round ${round}, attempt ${attempt}` : `Round ${round}`}
      </Link>
    ),
  },
  { label: 'State', cell: ({ phase }) => <StatusBadge status={phase} /> },
  { label: 'Opened', cell: ({ openedAtMs }) => <Ago timeMs={openedAtMs} /> },
  {
    label: 'Took',
    align: 'right',
    cell: ({ openedAtMs, settledAtMs }) =>
      settledAtMs === null ? '–' : formatSpan(settledAtMs - openedAtMs),
  },
  {
    label: 'Received',
    align: 'right',
    cell: ({ members }) =>
      formatBytes(members.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0)),
  },
  { label: 'Missing', isWide: true, cell: (round) => <Missing round={round} /> },
];

/** Every attempt of a task. */
export function RoundHistory({ task }: { readonly task: string }) {
  const list = useList(
    (query) => request('GET', '/v1/tasks/{task}/rounds', roundsSchema, { path: { task }, query }),
    (answer) => answer.rounds,
    ['rounds'],
  );
  return (
    <Panel title="Rounds">
      {list.data === undefined ? (
        <Waiting error={list.error} />
      ) : list.data.items.length === 0 ? (
        <Empty>Each round that opens is listed here, with whoever is missing in it and why.</Empty>
      ) : (
        <ListTable
          name="Rounds"
          columns={columnsOf(task)}
          list={list}
          keyOf={({ round, attempt }) => `${round}/${attempt}`}
        />
      )}
    </Panel>
  );
}
