/** Tasks as a table: where each stands, how far it is, what its round does. */
import { Progress, Stack, Text } from '@mantine/core';
import type { Task } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { Link } from '../common/link.tsx';
import { Empty } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useMay } from '../session/access.ts';

/** How far a task is: versions made, of the rounds that it has. */
export function TaskProgress({ task }: { readonly task: Task }) {
  const { latestVersion, rounds } = task;
  const text = `version ${latestVersion} of ${rounds}`;
  return (
    <Stack gap={4} miw={120}>
      <span className="number">{text}</span>
      <Progress
        value={(100 * latestVersion) / rounds}
        size="sm"
        aria-label={`${task.task}: ${text}`}
      />
    </Stack>
  );
}

function RoundText({ task }: { readonly task: Task }) {
  const { currentRound: round, schedule, status } = task;
  if (round === null) return <Text size="sm">none yet</Text>;
  const reported = round.members.filter((member) => member.status === 'reported').length;
  if (round.settledAtMs === null) {
    return (
      <span>
        {`${round.round}: ${round.phase}, ${reported} of ${round.members.length} reported, deadline `}
        <Ago timeMs={round.deadlineAtMs} />
      </span>
    );
  }
  return (
    <span>
      {`${round.round}: ${round.phase} `}
      <Ago timeMs={round.settledAtMs} />
      {status === 'running' && schedule !== null && schedule.nextAtMs !== null && (
        <>
          {', next '}
          <Ago timeMs={schedule.nextAtMs} />
        </>
      )}
    </span>
  );
}

const columns: readonly Column<Task>[] = [
  {
    label: 'Task',
    cell: ({ task, title }) => (
      <Stack gap={0}>
        <Link to={{ page: 'task', task, section: 'now' }}>{title}</Link>
        <Text size="xs" c="dimmed">
          {task}
        </Text>
      </Stack>
    ),
  },
  { label: 'State', cell: ({ status }) => <StatusBadge status={status} /> },
  { label: 'Progress', isWide: true, cell: (task) => <TaskProgress task={task} /> },
  { label: 'Round', isWide: true, cell: (task) => <RoundText task={task} /> },
  {
    label: 'Promoted',
    align: 'right',
    cell: ({ promotedVersion }) =>
      promotedVersion === null ? 'none' : `version ${promotedVersion}`,
  },
  { label: 'Members', align: 'right', cell: ({ definition }) => definition.members.length },
];

/** Tasks as a table, the newest first. */
export function TasksTable({ tasks }: { readonly tasks: readonly Task[] }) {
  return (
    <DataTable
      name="Tasks"
      columns={columns}
      rows={tasks.toSorted((one, other) => other.createdAtMs - one.createdAtMs)}
      keyOf={({ task }) => task}
    />
  );
}

/** Say that there is no task yet, and what to do next. */
export function NoTask() {
  if (!useMay('train')) {
    return <Empty>No task yet. Administrators and scientists create them.</Empty>;
  }
  return (
    <Empty command="npx melo admin tasks example > task.yaml && npx melo admin tasks create task.yaml">
      No task yet. A task names a backbone, classes, members and a number of rounds. Write it on the
      page <Link to={{ page: 'new-task' }}>New task</Link>; or the command writes one with comments,
      to be edited before it is created.
    </Empty>
  );
}
