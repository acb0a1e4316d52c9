/** One figure by version: as lines, as a table, as a file. */
import '@mantine/charts/styles.css';
import { LineChart } from '@mantine/charts';
import { Button, Group, Stack, Title } from '@mantine/core';
import { useRef } from 'react';
import { DataTable, type Column } from '../common/data-table.tsx';
import { formatFigure } from '../common/format.ts';
import { saveFile } from '../common/save-file.ts';
import { csvOf, pngOf } from './export.ts';
import { pooledLine, type Figure, type Line, type Lines, type Point } from './series.ts';

const siteColours = ['orange.7', 'grape.6', 'blue.6', 'lime.8', 'pink.6', 'yellow.8', 'indigo.5'];
const plainColour = 'gray.5';

/** With more sites than colours each is grey, and the table tells them apart. */
function colourOf({ kind }: Line, index: number, siteCount: number): string {
  if (kind === 'pooled') return 'var(--melo-done)';
  if (kind === 'beside') return 'red.7';
  if (kind === 'alone') return 'var(--mantine-color-dimmed)';
  if (kind === 'own') return 'grape.6';
  return siteCount > siteColours.length ? plainColour : (siteColours[index] ?? plainColour);
}

const dashes: Readonly<Record<Line['kind'], string>> = {
  pooled: '',
  site: '5 4',
  own: '2 4',
  alone: '8 4',
  beside: '1 3',
};

function seriesOf(lines: readonly Line[]) {
  const siteCount = lines.filter(({ kind }) => kind === 'site').length;
  return lines.map((line, index) => ({
    name: line.key,
    label: line.label,
    color: colourOf(line, index, siteCount),
    ...(line.kind === 'pooled' ? {} : { strokeDasharray: dashes[line.kind] }),
  }));
}

/** `orange.7` as the page's own variable. */
function cssColour(colour: string): string {
  const variable =
    /^var\((.*)\)$/.exec(colour)?.[1] ?? `--mantine-color-${colour.replace('.', '-')}`;
  return getComputedStyle(document.body).getPropertyValue(variable);
}

function describe(title: string, { points }: Lines): string {
  const values = points.map((point) => {
    const value = point[pooledLine.key];
    return `${point.version} ${typeof value === 'number' ? formatFigure(value) : 'not evaluated'}`;
  });
  return `${title} over all sites by version: ${values.join(', ')}`;
}

const pointColumns = (lines: readonly Line[]): readonly Column<Point>[] => [
  { label: 'Version', cell: ({ version }) => version },
  ...lines.toReversed().map(({ key, label }): Column<Point> => ({
    label,
    align: 'right',
    cell: (point) => {
      const value = point[key];
      return formatFigure(typeof value === 'number' ? value : null);
    },
  })),
];

const formatTick = (value: unknown): string => (typeof value === 'number' ? value.toFixed(2) : '');

/** From chance, or the least value where one is below it, to 1. */
const aucDomain: [(least: number) => number, number] = [
  (least) => Math.max(0, Math.min(0.5, Math.floor(least * 10) / 10)),
  1,
];
const chance = [
  {
    y: 0.5,
    label: 'chance',
    labelPosition: 'insideBottomRight',
    color: 'var(--mantine-color-dimmed)',
  },
] as const;

/** With more versions than this, dots would hide the lines. */
const dotsMax = 40;

function Drawing({ lines, isAuc }: { readonly lines: Lines; readonly isAuc: boolean }) {
  return (
    <LineChart
      h={260}
      data={lines.points.map((point) => ({ ...point }))}
      dataKey="version"
      series={seriesOf(lines.lines)}
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
        strokeWidth: series.name === pooledLine.key ? 3.5 : 1.5,
      })}
      referenceLines={isAuc ? [...chance] : []}
    />
  );
}

/** One figure by version. */
export function Chart(props: {
  readonly task: string;
  readonly title: string;
  readonly lines: Lines;
  readonly figure: Figure;
  readonly isTable: boolean;
}) {
  const { task, title, lines, figure, isTable } = props;
  const place = useRef<HTMLDivElement>(null);
  const name = `${task}-${figure === 'macroAuc' ? 'auc' : 'loss'}`;
  const saveCsv = (): void => {
    saveFile(new Blob([csvOf(lines)], { type: 'text/csv' }), `${name}.csv`);
  };
  const savePng = async (): Promise<void> => {
    const svg = place.current?.querySelector('.recharts-wrapper > svg');
    if (!(svg instanceof SVGElement)) return;
    const legend = seriesOf(lines.lines).map(({ label, color }) => ({
      label,
      colour: cssColour(color),
    }));
    const png = await pngOf(svg, `${title}: ${task}`, legend);
    if (png !== null) saveFile(png, `${name}.png`);
  };
  return (
    <Stack gap={4} component="figure" m={0} aria-label={describe(title, lines)}>
      <Group justify="space-between" component="figcaption">
        <Title order={3} size="h6">
          {title}
        </Title>
        <Group gap={6}>
          <Button
            size="compact-xs"
            variant="default"
            onClick={saveCsv}
            aria-label={`${title} as CSV`}
          >
            CSV
          </Button>
          {!isTable && (
            <Button
              size="compact-xs"
              variant="default"
              onClick={() => void savePng()}
              aria-label={`${title} as PNG`}
            >
              PNG
            </Button>
          )}
        </Group>
      </Group>
      <div
        ref={place}
        className={isTable ? 'wide-table' : undefined}
        tabIndex={isTable ? 0 : undefined}
      >
        {isTable ? (
          <DataTable
            name={title}
            columns={pointColumns(lines.lines)}
            rows={lines.points.toReversed()}
            keyOf={({ version }) => version}
          />
        ) : (
          <Drawing lines={lines} isAuc={figure === 'macroAuc'} />
        )}
      </div>
    </Stack>
  );
}
