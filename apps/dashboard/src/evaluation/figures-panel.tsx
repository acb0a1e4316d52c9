/** AUC and loss as tables: of the newest version at each site, of every version at every site. */
import { Stack, Text, Title } from '@mantine/core';
import { resourcesOf, useResource } from '../api/resources.ts';
import type { Evaluation, Evaluations } from '../api/schemas.ts';
import { DataTable, type Column } from '../common/data-table.tsx';
import { formatCount, formatFigure } from '../common/format.ts';
import { Panel, Waiting } from '../common/panel.tsx';
import { NoEvaluation } from './charts-panel.tsx';
import { LocalAdaptersTable } from './local-adapters-table.tsx';
import { MatrixTable } from './matrix-table.tsx';
import { newestEvaluated, siteFigures, type SiteFigures } from './series.ts';

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

/** AUC and loss as tables. */
export function FiguresPanel({ task }: { readonly task: string }) {
  const { data, error } = useResource(resourcesOf(task).evaluations);
  const evaluated = data?.evaluations.filter(({ sites }) => sites.length > 0) ?? [];
  return (
    <Panel title="Figures by site">
      {data === undefined ? (
        <Waiting error={error} />
      ) : (
        <Stack gap="md">
          {evaluated.length === 0 ? (
            <NoEvaluation />
          ) : (
            <Figures evaluations={evaluated} all={data} />
          )}
          <LocalAdaptersTable evaluations={data} />
        </Stack>
      )}
    </Panel>
  );
}
