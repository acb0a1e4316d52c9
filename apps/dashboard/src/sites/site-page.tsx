/** One site: whether it is there, what it runs on, what it has done, what can be done with it. */
import { SimpleGrid } from '@mantine/core';
import { request } from '#api';
import { sites, tasks, useList, useResource } from '../api/resources.ts';
import { auditSchema } from '../api/detail-schemas.ts';
import type { Member, Round, Site } from '../api/schemas.ts';
import { AuditTable } from '../audit/audit-table.tsx';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { Digest, Facts } from '../common/facts.tsx';
import { formatBytes, plural } from '../common/format.ts';
import { Link, LinkButton } from '../common/link.tsx';
import { NotFound } from '../common/not-found.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { memberProgress } from '../rounds/member-state.ts';
import { useMayVisit } from '../session/access.ts';
import { formatFingerprint } from './fingerprint.ts';
import { HeartbeatText } from './heartbeat-text.tsx';
import { SiteActions } from './site-actions.tsx';
import { Doing } from './sites-panel.tsx';

const maybeAgo = (timeMs: number | null) => (timeMs === null ? undefined : <Ago timeMs={timeMs} />);

function Presence({ site }: { readonly site: Site }) {
  const { lostRounds, capabilities, heartbeat } = site;
  const approved = capabilities?.approvedTasks ?? [];
  return (
    <Panel title="Presence">
      <Facts
        facts={[
          ['Heartbeat', <HeartbeatText key="beat" site={site} />],
          ['Doing', <Doing key="doing" site={site} />],
          ['Load', heartbeat === null ? undefined : heartbeat.load.toFixed(2)],
          [
            'Rounds lost in a row',
            `${lostRounds}${lostRounds > 0 ? '; at three it is suspended' : ''}`,
          ],
          ['Tasks that its policy approves', approved.length === 0 ? 'none' : approved.join(', ')],
          ['Invited', <Ago key="invited" timeMs={site.invitedAtMs} />],
          ['Approved', maybeAgo(site.approvedAtMs)],
        ]}
      />
    </Panel>
  );
}

function Machine({ site }: { readonly site: Site }) {
  const { capabilities, fingerprint, enrolledAtMs } = site;
  return (
    <Panel title="Agent and keys">
      <Facts
        facts={[
          ['Agent', site.agentVersion ?? 'not known before it first connects'],
          [
            'Engine',
            capabilities?.engines.map(({ name, device }) => `${name} on ${device}`).join(', '),
          ],
          [
            'Machine',
            capabilities === null
              ? undefined
              : `${plural(capabilities.cores, 'core')}, ${formatBytes(capabilities.memoryBytes)} of memory, Node ${capabilities.node}`,
          ],
          ...(capabilities?.backbones ?? []).map(
            (digest) => ['Backbone', <Digest key={digest} value={digest} />] as const,
          ),
          ['Keys made', maybeAgo(enrolledAtMs)],
          [
            'Fingerprint of its keys',
            fingerprint === null ? undefined : (
              <Digest key="key" value={formatFingerprint(fingerprint)} />
            ),
          ],
        ]}
      />
    </Panel>
  );
}

interface Part {
  readonly task: string;
  readonly title: string;
  readonly round: Round;
  readonly member: Member;
}

const partColumns: readonly Column<Part>[] = [
  {
    label: 'Task',
    cell: ({ task, title }) => <Link to={{ page: 'task', task, section: 'now' }}>{title}</Link>,
  },
  { label: 'State', cell: ({ member }) => <StatusBadge status={member.status} /> },
  {
    label: 'Round',
    cell: ({ task, round: { round, attempt } }) => (
      <Link to={{ page: 'round', task, round, attempt }}>{`Round ${round}`}</Link>
    ),
  },
  { label: 'Progress', cell: ({ member }) => memberProgress(member).text },
  { label: 'Why', isWide: true, cell: ({ member }) => member.reason ?? '–' },
];

function Rounds({ site }: { readonly site: string }) {
  const { data, error } = useResource(tasks);
  const parts = data?.tasks.flatMap(({ task, title, currentRound: round }) => {
    const member = round?.members.find((each) => each.site === site);
    return round === null || member === undefined ? [] : [{ task, title, round, member }];
  });
  return (
    <Panel title="In the last round of each task">
      {parts === undefined ? (
        <Waiting error={error} />
      ) : parts.length === 0 ? (
        <Empty>It was in no round yet.</Empty>
      ) : (
        <DataTable
          name="In the last round of each task"
          columns={partColumns}
          rows={parts}
          keyOf={({ task }) => task}
        />
      )}
    </Panel>
  );
}

function Record({ site }: { readonly site: string }) {
  const target = `site:${site}`;
  const { data, error } = useList(
    (part) =>
      request('GET', '/v1/audit', auditSchema, { query: { ...part, target, order: 'newest' } }),
    (answer) => answer.entries,
    ['sites'],
    20,
  );
  return (
    <Panel
      title="What happened to it"
      aside={<LinkButton to={{ page: 'audit', filters: { target } }}>In the audit log</LinkButton>}
    >
      {data === undefined ? (
        <Waiting error={error} />
      ) : (
        <AuditTable name="What happened to the site" entries={data.items} />
      )}
    </Panel>
  );
}

/** One site. */
export function SitePage({ name }: { readonly name: string }) {
  const { data, error } = useResource(sites);
  const mayReadAudit = useMayVisit('audit');
  const site = data?.sites.find((each) => each.site === name);
  if (data === undefined) {
    return (
      <>
        <PageTitle title={name} />
        <Waiting error={error} />
      </>
    );
  }
  if (site === undefined) {
    return (
      <NotFound title={`There is no site ${name}`} to={{ page: 'sites' }} label="To the sites" />
    );
  }
  return (
    <>
      <PageTitle
        title={site.site}
        mark={<StatusBadge status={site.status} />}
        aside={<SiteActions site={site} />}
        {...(site.reason === null ? {} : { note: site.reason })}
      />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Presence site={site} />
        <Machine site={site} />
      </SimpleGrid>
      <Rounds site={name} />
      {mayReadAudit && <Record site={name} />}
    </>
  );
}
