/** What each site did in a round and how long, as bars and as figures. */
import { Group, Stack, Text } from '@mantine/core';
import type { RoundDetail } from '../api/detail-schemas.ts';
import { DataTable, type Column } from '../common/data-table.tsx';
import { formatShortSpan } from '../common/format.ts';
import { Link } from '../common/link.tsx';
import { Panel } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useNowMs } from '../common/use-now.ts';
import { spentMs, timelineOf, type Doing, type Timeline, type TimelineRow } from './timeline.ts';

const doingText: Readonly<Record<Doing, string>> = {
  waiting: 'not answered yet',
  ready: 'accepted, not begun',
  training: 'training',
  uploading: 'uploading',
};
const kinds = ['waiting', 'ready', 'training', 'uploading'] as const;

function Bar({ row, timeline }: { readonly row: TimelineRow; readonly timeline: Timeline }) {
  const wholeMs = timeline.toMs - timeline.fromMs;
  const percent = (ms: number): string => `${(100 * ms) / wholeMs}%`;
  return (
    <div className="timeline" aria-hidden="true">
      {row.spans.map(({ doing, fromMs, toMs }) => (
        <span
          key={doing}
          data-doing={doing}
          title={`${doingText[doing]}: ${formatShortSpan(toMs - fromMs)}`}
          style={{ left: percent(fromMs - timeline.fromMs), width: percent(toMs - fromMs) }}
        />
      ))}
    </div>
  );
}

const spent = (row: TimelineRow, doing: Doing): string => {
  const ms = spentMs(row, doing);
  return ms === null ? '–' : formatShortSpan(ms);
};

const columnsOf = (timeline: Timeline): readonly Column<TimelineRow>[] => [
  { label: 'Site', cell: ({ site }) => <Link to={{ page: 'site', site }}>{site}</Link> },
  { label: 'State', cell: ({ status }) => <StatusBadge status={status} /> },
  { label: 'Time', isWide: true, cell: (row) => <Bar row={row} timeline={timeline} /> },
  { label: 'Answered after', align: 'right', cell: (row) => spent(row, 'waiting') },
  { label: 'Trained', align: 'right', cell: (row) => spent(row, 'training') },
  { label: 'Uploaded', align: 'right', cell: (row) => spent(row, 'uploading') },
  {
    label: 'Done after',
    align: 'right',
    cell: ({ endedAtMs }) =>
      endedAtMs === null ? '–' : formatShortSpan(endedAtMs - timeline.fromMs),
  },
];

/** What each site did in a round and how long. */
export function TimelinePanel({ round }: { readonly round: RoundDetail }) {
  const timeline = timelineOf(round, useNowMs());
  return (
    <Panel title="Time by site">
      <Stack gap="xs">
        <DataTable
          name="Time by site"
          columns={columnsOf(timeline)}
          rows={timeline.rows}
          keyOf={({ site }) => site}
        />
        <Group gap="md">
          {kinds.map((doing) => (
            <Group key={doing} gap={6} wrap="nowrap">
              <span className="swatch" data-doing={doing} aria-hidden="true" />
              <Text size="xs" c="dimmed">
                {doingText[doing]}
              </Text>
            </Group>
          ))}
        </Group>
      </Stack>
    </Panel>
  );
}
