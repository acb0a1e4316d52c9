/** The few figures that matter first. */
import { Paper, SimpleGrid, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { resourcesOf, sites, useResource } from './api/resources.ts';
import type { Task } from './api/schemas.ts';
import { formatFigure, plural } from './common/format.ts';
import { newestEvaluated } from './evaluation/series.ts';

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

function RoundTile({ task }: { readonly task: Task }) {
  const round = task.currentRound;
  return (
    <Tile
      label="Round"
      value={round === null ? '–' : `${round.round} of ${task.rounds}`}
      note={round === null ? 'none was opened yet' : round.phase}
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

/** The few figures that matter first. */
export function SummaryTiles({ task }: { readonly task: Task | undefined }) {
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm">
      <SitesTile />
      {task !== undefined && (
        <>
          <RoundTile task={task} />
          <Tile label="Newest version" value={task.latestVersion} note={`of task ${task.task}`} />
          <AucTile task={task.task} />
        </>
      )}
    </SimpleGrid>
  );
}
