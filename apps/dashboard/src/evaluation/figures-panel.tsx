/** AUC and loss by version: over all sites and at each site, as lines and as tables. */
import { LineChart } from '@mantine/charts';
import { SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { resourcesOf, useResource } from '../api/resources.ts';
import type { Evaluation, Evaluations } from '../api/schemas.ts';
import { DataTable, type Column } from '../common/data-table.tsx';
import { formatCount, formatFigure } from '../common/format.ts';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { MatrixTable } from './matrix-table.tsx';
import {
  globalKey,
  linesOf,
  newestEvaluated,
  siteFigures,
  siteKey,
  type Figure,
  type Lines,
  type SiteFigures,
} from './series.ts';

const siteColours = ['orange.7', 'grape.6', 'blue.6', 'lime.8', 'pink.6', 'yellow.8', 'indigo.5'];
/** With more sites than colours each is grey, and the table tells them apart. */
const namedSitesMax = siteColours.length;

function seriesOf({ sites }: Lines) {
  const isNamed = sites.length <= namedSitesMax;
  const bySite = sites.map((site, index) => ({
    name: siteKey(index),
    label: site,
    color: isNamed ? (siteColours[index] ?? 'gray.5') : 'gray.5',
    strokeDasharray: '5 4',
  }));
  return [...bySite, { name: globalKey, label: 'all sites (pooled)', color: 'var(--melo-done)' }];
}

function describe(title: string, { points }: Lines): string {
  const values = points.map((point) => {
    const value = point[globalKey];
    return `${point.version} ${typeof value === 'number' ? formatFigure(value) : 'not evaluated'}`;
  });
  return `${title} over all sites by version: ${values.join(', ')}`;
}

function Chart(props: {
  readonly title: string;
  readonly figure: Figure;
  readonly evaluations: readonly Evaluation[];
}) {
  const lines = linesOf(props.evaluations, props.figure);
  const isAuc = props.figure === 'macroAuc';
  return (
    <Stack gap={4} component="figure" m={0} aria-label={describe(props.title, lines)}>
      <Title order={3} size="h6" component="figcaption">
        {props.title}
      </Title>
      <LineChart
        h={260}
        data={lines.points.map((point) => ({ ...point }))}
        dataKey="version"
        series={seriesOf(lines)}
        curveType="linear"
        withLegend
        legendProps={{ position: 'bottom' }}
        withDots={lines.points.length <= dotsMax}
        connectNulls={false}
        xAxisProps={{ padding: { left: 14, right: 18 } }}
        yAxisProps={{
          domain: isAuc ? aucDomain : ['auto', 'auto'],
          width: 44,
          tickCount: 6,
          tickFormatter: formatTick,
        }}
        valueFormatter={formatFigure}
        lineProps={(series) => ({
          isAnimationActive: false,
          strokeWidth: series.name === globalKey ? 3.5 : 1.5,
        })}
        referenceLines={
          isAuc
            ? [
                {
                  y: 0.5,
                  label: 'chance',
                  labelPosition: 'insideBottomRight',
                  color: 'var(--mantine-color-dimmed)',
                },
              ]
            : []
        }
      />
    </Stack>
  );
}

/** With more versions than this, dots would hide the lines. */
const dotsMax = 40;

const formatTick = (value: unknown): string => (typeof value === 'number' ? value.toFixed(2) : '');

/** From chance, or the least value where one is below it, to 1. */
const aucDomain: [(least: number) => number, number] = [
  (least) => Math.max(0, Math.min(0.5, Math.floor(least * 10) / 10)),
  1,
];

const siteColumns: readonly Column<SiteFigures>[] = [
  {
    label: 'Site',
    cell: ({ site }) => (
      <Text fw={600} size="sm">
        {site}
      </Text>
    ),
  },
  { label: 'Held-out images', align: 'right', cell: ({ images }) => formatCount(images) },
  { label: 'AUC, federated', align: 'right', cell: ({ auc }) => formatFigure(auc) },
  { label: 'AUC, own adapter', align: 'right', cell: ({ ownAuc }) => formatFigure(ownAuc) },
  { label: 'Loss, federated', align: 'right', cell: ({ loss }) => formatFigure(loss) },
];

const versionColumns: readonly Column<Evaluation>[] = [
  {
    label: 'Version',
    cell: ({ version }) => (
      <Text fw={600} size="sm">
        <span className="on-card">Version </span>
        {version}
      </Text>
    ),
  },
  { label: 'Sites', align: 'right', cell: ({ sites }) => sites.length },
  { label: 'Images', align: 'right', cell: ({ pooled }) => formatCount(pooled?.count ?? null) },
  { label: 'AUC', align: 'right', cell: ({ pooled }) => formatFigure(pooled?.macroAuc) },
  {
    label: 'AUC exact to',
    align: 'right',
    cell: ({ pooled }) => `± ${formatFigure(pooled?.macroAucErrorBound)}`,
  },
  { label: 'Loss', align: 'right', cell: ({ pooled }) => formatFigure(pooled?.loss) },
];

function Figures(props: {
  readonly evaluations: readonly Evaluation[];
  readonly all: Evaluations;
}) {
  const { evaluations, all } = props;
  const newest = newestEvaluated(evaluations);
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Chart title="Macro AUC" figure="macroAuc" evaluations={evaluations} />
        <Chart title="Loss on held-out images" figure="loss" evaluations={evaluations} />
      </SimpleGrid>
      <Text size="xs" c="dimmed">
        &ldquo;All sites&rdquo; is computed over the summed score histograms of all sites that
        evaluated the version: AUCs of sites are never averaged. A site&apos;s own line is measured
        on its own held-out images.
      </Text>
      {newest !== undefined && (
        <div>
          <Title order={3} size="h6" mb={4}>
            Version {newest.version} at each site
          </Title>
          <DataTable
            name={`Version ${newest.version} at each site`}
            columns={siteColumns}
            rows={siteFigures(newest, evaluations)}
            keyOf={({ site }) => site}
          />
        </div>
      )}
      <MatrixTable evaluations={all} />
      <details>
        <summary>Every version over all sites, as a table</summary>
        <DataTable
          name="Every version over all sites"
          columns={versionColumns}
          rows={evaluations}
          keyOf={({ version }) => String(version)}
        />
      </details>
    </Stack>
  );
}

/** AUC and loss by version. */
export function FiguresPanel({ task }: { readonly task: string }) {
  const { data, error } = useResource(resourcesOf(task).evaluations);
  const evaluated = data?.evaluations.filter(({ sites }) => sites.length > 0) ?? [];
  return (
    <Panel title="AUC and loss">
      {data === undefined ? (
        <Waiting error={error} />
      ) : evaluated.length === 0 ? (
        <Empty>
          No site has evaluated a version yet. Each site does so on its held-out images before and
          after a round.
        </Empty>
      ) : (
        <Figures evaluations={evaluated} all={data} />
      )}
    </Panel>
  );
}
