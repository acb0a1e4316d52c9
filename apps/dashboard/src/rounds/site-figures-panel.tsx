/** Each site of an aggregate beside the others: how long its update was, where it pointed, what its training gained. */
import { Stack, Text } from '@mantine/core';
import { roundRequest, useFresh } from '../api/resources.ts';
import type { AggregateFigures, SiteInAggregate } from '../api/detail-schemas.ts';
import type { Task } from '../api/schemas.ts';
import { DataTable, type Column } from '../common/data-table.tsx';
import { formatFigure } from '../common/format.ts';
import { Link } from '../common/link.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';

const figureNames: Readonly<Record<string, string>> = {
  updateNorm: 'length of its update',
  cosine: 'direction of its update',
  drift: 'distance from the combined change',
  lossChange: 'what its training gained',
};

function Unlike({ outlier }: SiteInAggregate) {
  if (outlier.length === 0) return <Text size="sm">nothing</Text>;
  return (
    <Stack gap={4} align="flex-start">
      {outlier.map(({ figure, value, median }) => (
        <span key={figure}>
          <StatusBadge status="unlike" /> {figureNames[figure] ?? figure}: {formatFigure(value)},
          median {formatFigure(median)}
        </span>
      ))}
    </Stack>
  );
}

const columns: readonly Column<SiteInAggregate>[] = [
  { label: 'Site', cell: ({ site }) => <Link to={{ page: 'site', site }}>{site}</Link> },
  { label: 'Length', align: 'right', cell: ({ updateNorm }) => formatFigure(updateNorm) },
  { label: 'Cosine', align: 'right', cell: ({ cosine }) => formatFigure(cosine) },
  { label: 'Drift', align: 'right', cell: ({ drift }) => formatFigure(drift) },
  { label: 'Training loss', align: 'right', cell: (site) => formatFigure(site.trainingLoss) },
  { label: 'Loss before', align: 'right', cell: ({ lossBefore }) => formatFigure(lossBefore) },
  { label: 'Loss after', align: 'right', cell: ({ lossAfter }) => formatFigure(lossAfter) },
  { label: 'Unlike the others', isWide: true, cell: (site) => <Unlike {...site} /> },
];

/** Each site of an aggregate, and how well the aggregate stands for them. */
export function SiteFiguresTable({ figures }: { readonly figures: AggregateFigures }) {
  const gap = figures.aggregationGap;
  return (
    <Stack gap="xs">
      <DataTable
        name="Updates by site"
        columns={columns}
        rows={figures.sites}
        keyOf={({ site }) => site}
      />
      <Text size="xs" c="dimmed">
        {`The combined change is ${formatFigure(figures.changeNorm)} long. `}
        {gap !== null &&
          `What was averaged is ${(100 * gap).toFixed(1)} % away from the average of the sites' changes (the gap of averaging A and B apart). `}
        Cosine is that of the angle between a site&apos;s update and the combined change; drift the
        distance between them. Losses before and after are on the site&apos;s own held-out images. A
        site that is unlike the others is in the aggregate all the same.
      </Text>
    </Stack>
  );
}

function OfRound({ task, round }: { readonly task: string; readonly round: number }) {
  const { data, error } = useFresh(roundRequest(task, round), ['rounds']);
  if (data === undefined) return <Waiting error={error} />;
  if (data.figures === null) return <Empty>This round has none.</Empty>;
  return <SiteFiguresTable figures={data.figures} />;
}

/** Each site of the newest aggregate beside the others: of the round that made the newest version, which has its number. */
export function SiteFiguresPanel({ task }: { readonly task: Task }) {
  const newest = task.latestVersion;
  return (
    <Panel title={newest === 0 ? 'Updates by site' : `Updates by site, round ${newest}`}>
      {newest === 0 ? (
        <Empty>No round was published yet.</Empty>
      ) : (
        <OfRound key={newest} task={task.task} round={newest} />
      )}
    </Panel>
  );
}
