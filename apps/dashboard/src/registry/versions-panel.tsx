/** The versions of a task's adapter, newest first, each to download. */
import { Button, Code, Stack, Text } from '@mantine/core';
import { taskPath } from '../api/client.ts';
import { resourcesOf, useResource } from '../api/resources.ts';
import type { Version } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { formatBytes } from '../common/format.ts';
import { Empty, Panel, Waiting } from '../common/panel.tsx';

const columnsOf = (task: string): readonly Column<Version>[] => [
  {
    label: 'Version',
    cell: ({ version }) => (
      <Text fw={600} size="sm">
        <span className="on-card">Version </span>
        {version}
      </Text>
    ),
  },
  { label: 'From', cell: ({ round }) => (round === null ? 'public seed' : `round ${round}`) },
  { label: 'Made', cell: ({ createdAtMs }) => <Ago timeMs={createdAtMs} /> },
  { label: 'Size', align: 'right', cell: ({ adapterBytes }) => formatBytes(adapterBytes) },
  {
    label: 'BLAKE2b-256',
    cell: ({ adapterDigest }) => <Code title={adapterDigest}>{adapterDigest.slice(0, 12)}…</Code>,
  },
  {
    label: 'File',
    align: 'right',
    cell: ({ version }) => (
      <Button
        component="a"
        size="compact-sm"
        variant="default"
        href={taskPath(task, `/versions/${version}/adapter`)}
        download={`${task}-version-${version}.safetensors`}
        aria-label={`Download version ${version} of ${task}`}
      >
        Download
      </Button>
    ),
  },
];

/** The versions of a task's adapter. */
export function VersionsPanel({ task }: { readonly task: string }) {
  const { data, error } = useResource(resourcesOf(task).versions);
  return (
    <Panel title="Adapter versions">
      {data === undefined ? (
        <Waiting error={error} />
      ) : data.versions.length === 0 ? (
        <Empty>Version 0 is made with the task.</Empty>
      ) : (
        <Stack gap="xs">
          <DataTable
            name="Adapter versions"
            columns={columnsOf(task)}
            rows={data.versions.toReversed()}
            keyOf={({ version }) => String(version)}
          />
          <Text size="xs" c="dimmed">
            The file is the low-rank adapter with its card. It needs the task&apos;s own backbone.
          </Text>
        </Stack>
      )}
    </Panel>
  );
}
