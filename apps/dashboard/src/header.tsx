/** The head of the page: whose federation, whether the page is live, who is signed in. */
import { Button, Container, Group, Text } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import { z } from 'zod';
import { ApiError, command } from './api/client.ts';
import { live, type LiveState } from './api/live.ts';
import { health, useResource } from './api/resources.ts';
import type { Session } from './api/schemas.ts';
import { Mark } from './common/mark.tsx';
import { StatusBadge } from './common/status-badge.tsx';

const liveText: Readonly<Record<LiveState, string>> = {
  connecting: 'connecting',
  live: 'live',
  stale: 'not live',
};
/** Whether the page hears of changes. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(live.onState, live.state);
}

/** The head of the page. */
export function Header(props: { readonly session: Session; readonly onSignedOut: () => void }) {
  const state = useLiveState();
  const { data } = useResource(health);
  const signOut = async (): Promise<void> => {
    try {
      await command('DELETE', '/v1/sessions/current', z.object({}));
    } catch (error) {
      if (!(error instanceof ApiError && error.isSignedOut)) return; // still signed in, and shown so
    }
    props.onSignedOut();
  };
  return (
    <header className="header">
      <Container size="xl" py="sm">
        <Group justify="space-between" gap="sm">
          <Mark />
          <Group gap="sm">
            <StatusBadge status={liveText[state]} isAnnounced />
            <Text size="sm" c="dimmed" visibleFrom="sm">
              {data === undefined
                ? ''
                : `federation ${data.federation.slice(0, 8)} · ${data.version}`}
            </Text>
            <Text size="sm" visibleFrom="xs">
              {props.session.role}
            </Text>
            <Button size="compact-sm" variant="default" onClick={() => void signOut()}>
              Sign out
            </Button>
          </Group>
        </Group>
      </Container>
    </header>
  );
}
