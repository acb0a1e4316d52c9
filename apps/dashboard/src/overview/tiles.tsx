/** The few figures that matter first. */
import { Paper, SimpleGrid, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { health, resourcesOf, sites, tasks, useResource } from '../api/resources.ts';
import type { Task } from '../api/schemas.ts';
import { formatBytes, formatFigure, plural } from '../common/format.ts';
import { newestEvaluated } from '../evaluation/series.ts';

function Tile(props: {
  readonly label: string;
  readonly value: ReactNode;
  readonly note: ReactNode;
}) {
  return (
    <Paper className="panel" withBorder radius="md" p="md">
      <Text size="xs" fw={600} c="dimmed">
        {props.label}
      </Text>
      <Text fz={26} fw={700} lh={1.25} className="number">
        {props.value}
      </Text>
      <Text size="xs" c="dimmed">
        {props.note}
      </Text>
    </Paper>
  );
}

function SitesTile() {
  const { data } = useResource(sites);
  const active = data?.sites.filter(({ status }) => status === 'active') ?? [];
  const connected = active.filter(({ isConnected }) => isConnected).length;
  const waiting = data?.sites.filter(({ status }) => status === 'pending').length ?? 0;
  return (
    <Tile
      label="Sites connected"
      value={data === undefined ? '–' : `${connected} of ${active.length}`}
      note={waiting > 0 ? `${plural(waiting, 'site')} to approve` : 'of the approved ones'}
    />
  );
}

function TasksTile() {
  const { data } = useResource(tasks);
  const running = data?.tasks.filter(({ status }) => status === 'running').length ?? 0;
  return (
    <Tile
      label="Tasks running"
      value={data === undefined ? '–' : running}
      note={data === undefined ? '' : `of ${plural(data.tasks.length, 'task')}`}
    />
  );
}

function RoundTile({ task }: { readonly task: Task }) {
  const round = task.currentRound;
  return (
    <Tile
      label="Round"
      value={round === null ? '–' : `${round.round} of ${task.rounds}`}
      note={round === null ? 'none was opened yet' : `${round.phase}, task ${task.task}`}
    />
  );
}

function AucTile({ task }: { readonly task: string }) {
  const { data } = useResource(resourcesOf(task).evaluations);
  const newest = newestEvaluated(data?.evaluations ?? []);
  return (
    <Tile
      label="AUC over all sites"
      value={formatFigure(newest?.pooled?.macroAuc)}
      note={
        newest === undefined
          ? 'no version was evaluated yet'
          : `version ${newest.version}, ${plural(newest.pooled?.count ?? 0, 'held-out image')}`
      }
    />
  );
}

function DiskTile() {
  const { data } = useResource(health);
  const disk = data?.disk;
  return (
    <Tile
      label="Room on the disk"
      value={disk === undefined ? '–' : formatBytes(disk.freeBytes)}
      note={
        disk === undefined
          ? ''
          : disk.isLow
            ? 'low: no round opens'
            : `of which ${formatBytes(disk.reserveBytes)} are kept back`
      }
    />
  );
}

/** The few figures that matter first; the task is the one that is shown below. */
export function Tiles({ task }: { readonly task: Task | undefined }) {
  return (
    <SimpleGrid cols={{ base: 2, md: task === undefined ? 3 : 5 }} spacing="sm">
      <SitesTile />
      <TasksTile />
      {task !== undefined && (
        <>
          <RoundTile task={task} />
          <AucTile task={task.task} />
        </>
      )}
      <DiskTile />
    </SimpleGrid>
  );
}
