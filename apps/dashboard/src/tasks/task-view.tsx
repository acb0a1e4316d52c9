/** One task: what it is, its round, its figures, its versions. */
import { Alert, Group, Stack, Text, Title } from '@mantine/core';
import type { Task } from '../api/schemas.ts';
import { plural } from '../common/format.ts';
import { StatusBadge } from '../common/status-badge.tsx';
import { FiguresPanel } from '../evaluation/figures-panel.tsx';
import { VersionsPanel } from '../registry/versions-panel.tsx';
import { CurrentRound } from '../rounds/current-round.tsx';
import { RoundHistory } from '../rounds/round-history.tsx';

/** What a task is, in two lines. */
export function TaskHead({ task }: { readonly task: Task }) {
  const { definition } = task;
  return (
    <div>
      <Group gap="sm">
        <Title order={1} size="h3">
          {task.title}
        </Title>
        <StatusBadge status={task.status} />
      </Group>
      <Text size="sm" c="dimmed">
        {[
          `task ${task.task}`,
          definition.classes.join(', '),
          `${definition.backbone.name}, rank ${definition.rank}`,
          plural(definition.members.length, 'member'),
          definition.mode === 'clear' ? 'clear: the coordinator opens updates' : definition.mode,
        ].join(' · ')}
      </Text>
      {task.reason !== null && (
        <Alert color="red" mt="sm" title={`The task has ${task.status}`}>
          {task.reason}
        </Alert>
      )}
    </div>
  );
}

/** One task: its round, its figures, its versions. */
export function TaskView({ task }: { readonly task: Task }) {
  return (
    <Stack gap="md">
      <CurrentRound task={task} />
      <FiguresPanel task={task.task} />
      <VersionsPanel task={task.task} />
      <RoundHistory task={task.task} />
    </Stack>
  );
}
