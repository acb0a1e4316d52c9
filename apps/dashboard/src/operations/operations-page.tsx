/** How the coordinator is run: what is stored and for how long, room on the disk, backup, draining before an upgrade. */
import { Alert, Button, SimpleGrid, Stack, Text } from '@mantine/core';
import { request } from '#api';
import { send } from '../api/client.ts';
import { health, useFresh, useResource } from '../api/resources.ts';
import { operationsSchema, type Operations } from '../api/detail-schemas.ts';
import { answerOfCommand } from '../api/schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { Digest, Facts } from '../common/facts.tsx';
import { formatBytes, formatSpan } from '../common/format.ts';
import { Link, LinkButton } from '../common/link.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useMay } from '../session/access.ts';

const drain: Action = {
  label: 'Drain',
  title: 'Drain the coordinator?',
  explanation:
    'Open rounds go on to their end and no other opens; then the process ends, so that it can be upgraded. Sites wait and come back by themselves.',
  verb: 'Drain it',
  reason: 'none',
  isGrave: true,
  run: () => send(request('POST', '/v1/drain', answerOfCommand)),
  done: 'The coordinator drains: it ends when its open rounds have.',
};
const cancelDrain: Action = {
  label: 'Drain no more',
  title: 'Drain no more?',
  explanation: 'Rounds open again, and the process goes on.',
  verb: 'Go on',
  reason: 'none',
  run: () => send(request('POST', '/v1/drain/cancel', answerOfCommand)),
  done: 'Rounds open again.',
};

type Awaited = Operations['drain']['rounds'][number];

const awaitedColumns: readonly Column<Awaited>[] = [
  {
    label: 'Round',
    cell: ({ task, round, attempt }) => (
      <Link to={{ page: 'round', task, round, attempt }}>{`${task}, round ${round}`}</Link>
    ),
  },
  { label: 'State', cell: ({ phase }) => <StatusBadge status={phase} /> },
  {
    label: 'Expected to end',
    cell: ({ expectedEndAtMs }) =>
      expectedEndAtMs === null ? 'not known' : <Ago timeMs={expectedEndAtMs} />,
  },
  { label: 'Deadline', cell: ({ deadlineAtMs }) => <Ago timeMs={deadlineAtMs} /> },
  {
    label: 'Waits for',
    isWide: true,
    cell: ({ members }) => members.map(({ site, status }) => `${site} (${status})`).join(', '),
  },
];

function Drain({ operations }: { readonly operations: Operations }) {
  const { status, rounds, sinceMs } = operations.drain;
  const mayCommand = useMay('administer');
  return (
    <Panel
      title="Draining"
      aside={mayCommand && <ActionButton action={status === 'serving' ? drain : cancelDrain} />}
    >
      {status === 'serving' ? (
        <Empty {...(mayCommand ? { command: 'npx melo coordinator drain' } : {})}>
          It serves, and opens rounds. Drain it before an upgrade.
        </Empty>
      ) : (
        <Stack gap="sm">
          <Alert color="yellow">
            It is {status}
            {sinceMs !== null && (
              <>
                {', begun '}
                <Ago timeMs={sinceMs} />
              </>
            )}
            : the process ends when what stands below has ended.
          </Alert>
          <DataTable
            name="Open rounds"
            columns={awaitedColumns}
            rows={rounds}
            keyOf={({ task, round, attempt }) => `${task}/${round}/${attempt}`}
          />
        </Stack>
      )}
    </Panel>
  );
}

const uploadColumns: readonly Column<Operations['uploads']['sites'][number]>[] = [
  { label: 'Site', cell: ({ site }) => <Link to={{ page: 'site', site }}>{site}</Link> },
  { label: 'Stored', align: 'right', cell: ({ bytes }) => formatBytes(bytes) },
];

const quota = (bytes: number | null): string => (bytes === null ? 'none' : formatBytes(bytes));

function Storage({ operations }: { readonly operations: Operations }) {
  const { disk, retentionMs, uploads } = operations;
  return (
    <Panel title="Storage">
      <Stack gap="md">
        <Facts
          facts={[
            ['Room on the disk', `${formatBytes(disk.freeBytes)}${disk.isLow ? ': low' : ''}`],
            ['Kept back', `${formatBytes(disk.reserveBytes)}; with less no round opens`],
            ['Uploads are kept', `${formatSpan(retentionMs)} after their round has ended`],
            [
              'Uploads stored',
              `${formatBytes(uploads.bytes)}; limit: ${quota(uploads.quotaBytes)}`,
            ],
            ['Limit of one site', quota(uploads.siteQuotaBytes)],
          ]}
        />
        {uploads.sites.length > 0 && (
          <DataTable
            name="Uploads by site"
            columns={uploadColumns}
            rows={uploads.sites}
            keyOf={({ site }) => site}
          />
        )}
      </Stack>
    </Panel>
  );
}

function Process() {
  const { data, error } = useResource(health);
  return (
    <Panel title="Process">
      {data === undefined ? (
        <Waiting error={error} />
      ) : (
        <Facts
          facts={[
            ['Release', data.version],
            ['Database', data.databaseKind],
            ['Runs for', formatSpan(1000 * data.uptimeSeconds)],
            ['Federation', <Digest key="federation" value={data.federation} />],
            ['Fingerprint of its key', <Digest key="key" value={data.coordinatorFingerprint} />],
          ]}
        />
      )}
    </Panel>
  );
}

function Backup() {
  const mayCommand = useMay('administer');
  return (
    <Panel
      title="Backup"
      aside={
        mayCommand && (
          <Button
            component="a"
            size="compact-sm"
            variant="default"
            href="/v1/backup"
            download="melo-backup.tar"
          >
            Make and download a backup
          </Button>
        )
      }
    >
      <Text size="sm">
        It is made of this moment, while everything goes on, and signed at its end. No key is in it:
        the files of keys are kept apart. <code>npx melo coordinator restore</code> takes it.
      </Text>
    </Panel>
  );
}

/** How the coordinator is run. */
export function OperationsPage() {
  const { data, error } = useFresh(request('GET', '/v1/operations', operationsSchema), [
    'tasks',
    'rounds',
  ]);
  return (
    <>
      <PageTitle
        title="Coordinator"
        aside={<LinkButton to={{ page: 'settings' }}>Webhooks</LinkButton>}
      />
      {data === undefined ? <Waiting error={error} /> : <Drain operations={data} />}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        {data !== undefined && <Storage operations={data} />}
        <Process />
      </SimpleGrid>
      <Backup />
    </>
  );
}
