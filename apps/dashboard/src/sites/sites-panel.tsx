/** The sites: who is there, when each was last heard of, what each does. */
import { Progress, Stack, Text } from '@mantine/core';
import { sites, useResource } from '../api/resources.ts';
import type { Site } from '../api/schemas.ts';
import { DataTable, type Column } from '../common/data-table.tsx';
import { Link } from '../common/link.tsx';
import { Empty, Panel, TooMany, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useMay } from '../session/access.ts';
import { HeartbeatText } from './heartbeat-text.tsx';

/** What a site does now, or what to do where it does nothing. */
export function Doing({ site }: { readonly site: Site }) {
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

function nextStep({ status, reason, isConnected }: Site): string {
  if (reason !== null) return reason;
  if (status === 'invited') return 'Invited: its one-time code has not been used yet.';
  if (status === 'pending') return 'Waits for approval: compare its fingerprint.';
  return isConnected ? 'Connected, no heartbeat yet.' : 'Start its agent: melo agent run';
}

const columns: readonly Column<Site>[] = [
  {
    label: 'Site',
    cell: ({ site }) => <Link to={{ page: 'site', site }}>{site}</Link>,
  },
  { label: 'State', cell: ({ status }) => <StatusBadge status={status} /> },
  { label: 'Heartbeat', cell: (site) => <HeartbeatText site={site} /> },
  { label: 'Doing', isWide: true, cell: (site) => <Doing site={site} /> },
  {
    label: 'Engine',
    cell: ({ capabilities }) =>
      capabilities?.engines.map(({ name, device }) => `${name} (${device})`).join(', ') || '–',
  },
  { label: 'Agent', cell: ({ agentVersion }) => agentVersion ?? '–' },
];

function NoSite() {
  if (!useMay('administer')) return <Empty>No site yet. An administrator invites them.</Empty>;
  return (
    <Empty command="npx melo admin sites invite NAME">
      No site yet. Invite the first one, on the page <Link to={{ page: 'sites' }}>Sites</Link> or
      with the command: either gives a one-time code for the hospital.
    </Empty>
  );
}

/** The sites: who is there, when each was last heard of, what each does. */
export function SitesPanel({ title = 'Sites' }: { readonly title?: string }) {
  const { data, error } = useResource(sites);
  return (
    <Panel title={title}>
      {data === undefined ? (
        <Waiting error={error} />
      ) : data.sites.length === 0 ? (
        <NoSite />
      ) : (
        <>
          <DataTable name="Sites" columns={columns} rows={data.sites} keyOf={({ site }) => site} />
          {data.hasMore && <TooMany what="sites" shown={data.sites.length} />}
        </>
      )}
    </Panel>
  );
}
