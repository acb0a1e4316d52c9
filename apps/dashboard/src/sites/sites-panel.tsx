/** The sites: who is there, when each was last heard of, what each does. */
import { Group, Progress, Stack, Text } from '@mantine/core';
import { sites, useResource } from '../api/resources.ts';
import type { Site } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useNowMs } from '../common/use-now.ts';
import { heartbeatAge, type HeartbeatLevel } from './heartbeat.ts';

const levelText: Readonly<Record<HeartbeatLevel, string>> = {
  fresh: 'heard',
  late: 'late',
  silent: 'silent',
  none: 'never heard',
};

function Heartbeat({ site }: { readonly site: Site }) {
  const { level, atMs } = heartbeatAge(site, useNowMs());
  const state = site.isConnected || level === 'none' ? levelText[level] : 'disconnected, heard';
  return (
    <Group gap={8} wrap="nowrap">
      <span className="dot" data-level={level} aria-hidden="true" />
      <span className="number">
        {state} {atMs !== null && <Ago timeMs={atMs} />}
      </span>
    </Group>
  );
}

function Doing({ site }: { readonly site: Site }) {
  const { heartbeat } = site;
  if (heartbeat === null) return <Text size="sm">{nextStep(site)}</Text>;
  const round = heartbeat.round === null ? '' : ` round ${heartbeat.round}`;
  const what = heartbeat.task === null ? '' : ` · ${heartbeat.task}${round}`;
  const percent = heartbeat.progress === null ? null : Math.round(100 * heartbeat.progress);
  const isBusy = percent !== null && heartbeat.phase !== 'idle' && heartbeat.phase !== 'waiting';
  return (
    <Stack gap={4} maw={260}>
      <span>
        {heartbeat.phase}
        {what}
        {isBusy && ` · ${percent} %`}
      </span>
      {isBusy && (
        <Progress value={percent} size="sm" aria-label={`${site.site}: ${heartbeat.phase}`} />
      )}
    </Stack>
  );
}

function nextStep({ site, status, reason, isConnected }: Site): string {
  if (reason !== null) return reason;
  if (status === 'invited') return 'Invited: its one-time code has not been used yet.';
  if (status === 'pending') return `Waits for approval: melo admin sites approve ${site}`;
  return isConnected ? 'Connected, no heartbeat yet.' : 'Start its agent: melo agent run';
}

const columns: readonly Column<Site>[] = [
  {
    label: 'Site',
    cell: ({ site }) => (
      <Text fw={600} size="sm">
        {site}
      </Text>
    ),
  },
  { label: 'State', cell: ({ status }) => <StatusBadge status={status} /> },
  { label: 'Heartbeat', cell: (site) => <Heartbeat site={site} /> },
  { label: 'Doing', isWide: true, cell: (site) => <Doing site={site} /> },
  {
    label: 'Engine',
    cell: ({ capabilities }) =>
      capabilities?.engines.map(({ name, device }) => `${name} (${device})`).join(', ') ?? '–',
  },
  { label: 'Agent', cell: ({ agentVersion }) => agentVersion ?? '–' },
];

/** The sites: who is there, when each was last heard of, what each does. */
export function SitesPanel() {
  const { data, error } = useResource(sites);
  return (
    <Panel title="Sites">
      {data === undefined ? (
        <Waiting error={error} />
      ) : data.sites.length === 0 ? (
        <Empty command="melo admin sites invite NAME">
          No site yet. Invite the first one: the command prints a one-time code for the hospital.
        </Empty>
      ) : (
        <DataTable name="Sites" columns={columns} rows={data.sites} keyOf={({ site }) => site} />
      )}
    </Panel>
  );
}
