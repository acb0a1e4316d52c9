/** How lately a site was heard of: a colour, a word and an age that grows by itself. */
import { Group } from '@mantine/core';
import type { Site } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import { useNowMs } from '../common/use-now.ts';
import { heartbeatAge, type HeartbeatLevel } from './heartbeat.ts';

const levelText: Readonly<Record<HeartbeatLevel, string>> = {
  fresh: 'heard',
  late: 'late, heard',
  silent: 'silent, heard',
  none: 'never heard',
};

/** How lately a site was heard of. */
export function HeartbeatText({ site }: { readonly site: Site }) {
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
