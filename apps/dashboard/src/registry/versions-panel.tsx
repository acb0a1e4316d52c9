/** The versions of a task's adapter, newest first: where each comes from, what can be done with it. */
import { Button, Group, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { resourcesOf, useList, useResource } from '../api/resources.ts';
import { versionsSchema, type Evaluation, type Task, type Version } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import type { Column } from '../common/data-table.tsx';
import { formatBytes, formatFigure } from '../common/format.ts';
import { Link } from '../common/link.tsx';
import { ListTable } from '../common/list-table.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useMay } from '../session/access.ts';
import { DownloadLink } from './download-link.tsx';
import { VersionDialog } from './version-dialog.tsx';

function Standing({ version }: { readonly version: Version }) {
  const { isPromoted, isLatest, leftSites } = version;
  if (!isPromoted && !isLatest && leftSites.length === 0) return '–';
  return (
    <Group gap={4}>
      {isPromoted && <StatusBadge status="promoted" />}
      {isLatest && <StatusBadge status="newest" />}
      {leftSites.length > 0 && (
        <Text size="xs">{`has the share of ${leftSites.join(', ')}, no longer a member`}</Text>
      )}
    </Group>
  );
}

function Origin({ task, version }: { readonly task: string; readonly version: Version }) {
  const { round, attempt, baseVersion } = version;
  if (round === null) return 'public seed';
  return (
    <>
      <Link to={{ page: 'round', task, round, attempt }}>{`round ${round}`}</Link>
      {`, on version ${baseVersion ?? '–'}`}
    </>
  );
}

function MoreButton(props: {
  readonly version: Version;
  readonly onOpen: (version: Version) => void;
}) {
  const { version, onOpen } = props;
  if (!useMay('inspect')) return null;
  return (
    <Button
      size="compact-sm"
      variant="default"
      aria-label={`More of version ${version.version}`}
      onClick={() => onOpen(version)}
    >
      More
    </Button>
  );
}

function columnsOf(
  { task }: Task,
  evaluations: readonly Evaluation[],
  onOpen: (version: Version) => void,
): readonly Column<Version>[] {
  const pooled = (version: number) =>
    evaluations.find((each) => each.version === version)?.pooled ?? null;
  return [
    {
      label: 'Version',
      cell: ({ version }) => (
        <Text fw={600} size="sm">
          {`Version ${version}`}
        </Text>
      ),
    },
    { label: 'Standing', cell: (version) => <Standing version={version} /> },
    { label: 'From', cell: (version) => <Origin task={task} version={version} /> },
    { label: 'Made', cell: ({ createdAtMs }) => <Ago timeMs={createdAtMs} /> },
    {
      label: 'AUC, all sites',
      align: 'right',
      cell: ({ version }) => formatFigure(pooled(version)?.macroAuc),
    },
    {
      label: 'Loss, all sites',
      align: 'right',
      cell: ({ version }) => formatFigure(pooled(version)?.loss),
    },
    { label: 'Size', align: 'right', cell: ({ adapterBytes }) => formatBytes(adapterBytes) },
    {
      label: 'File',
      align: 'right',
      cell: (version) => (
        <Group gap={6} wrap="nowrap" className="row-buttons">
          <MoreButton version={version} onOpen={onOpen} />
          <DownloadLink task={task} version={version.version} />
        </Group>
      ),
    },
  ];
}

/** The versions of a task's adapter. */
export function VersionsPanel({ task }: { readonly task: Task }) {
  const resources = resourcesOf(task.task);
  const list = useList(
    (part) =>
      request('GET', '/v1/tasks/{task}/versions', versionsSchema, {
        path: { task: task.task },
        query: { ...part, order: 'newest' },
      }),
    (answer) => answer.versions,
    ['versions'],
  );
  const evaluations = useResource(resources.evaluations).data?.evaluations ?? [];
  const [opened, setOpened] = useState<Version>();
  /** Newer ones may push it out of the part of the list that is read. */
  const version = list.data?.items.find((each) => each.version === opened?.version) ?? opened;
  return (
    <Panel title="Adapter versions">
      {list.data === undefined ? (
        <Waiting error={list.error} />
      ) : list.data.items.length === 0 ? (
        <Empty>Version 0 is made with the task.</Empty>
      ) : (
        <Stack gap="xs">
          <ListTable
            name="Adapter versions"
            columns={columnsOf(task, evaluations, setOpened)}
            list={list}
            keyOf={({ version: number }) => String(number)}
          />
          <Text size="xs" c="dimmed">
            The file is the low-rank adapter with its card (safetensors). It needs the task&apos;s
            own backbone. For investigational use only; not a medical device.
          </Text>
        </Stack>
      )}
      {version !== undefined && (
        <VersionDialog task={task} version={version} onClose={() => setOpened(undefined)} />
      )}
    </Panel>
  );
}
