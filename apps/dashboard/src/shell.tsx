/** What is around every page: whose federation, where one can go, whether the page is live, what this is not for. */
import {
  Alert,
  Button,
  Container,
  Group,
  Stack,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core';
import { useSyncExternalStore, type MouseEvent, type ReactNode } from 'react';
import { ApiError } from './api/client.ts';
import { live, type LiveState } from './api/live.ts';
import { health, useResource } from './api/resources.ts';
import type { Role, Session } from './api/schemas.ts';
import { AskedAction } from './common/action-button.tsx';
import { Mark } from './common/mark.tsx';
import { announce, Notice } from './common/notice.tsx';
import { StatusBadge } from './common/status-badge.tsx';
import { addressOf, type Place } from './places.ts';
import { usePlace } from './router.ts';
import { mayVisit } from './session/access.ts';
import { signOut } from './session/session.ts';

const liveText: Readonly<Record<LiveState, string>> = {
  connecting: 'connecting',
  live: 'live',
  stale: 'not live',
};

function useLiveState(): LiveState {
  return useSyncExternalStore(live.onState, live.state);
}

function StaleBanner() {
  if (useLiveState() !== 'stale') return null;
  return (
    <Alert color="red" role="alert" title="This page is not live">
      The connection to the coordinator is lost; what stands here may be old. It is tried again by
      itself.
    </Alert>
  );
}

/** Where the links at the top lead, and the pages that belong to each. */
const destinations: readonly {
  readonly label: string;
  readonly to: Place;
  readonly pages: readonly Place['page'][];
}[] = [
  { label: 'Overview', to: { page: 'overview' }, pages: ['overview'] },
  { label: 'Tasks', to: { page: 'tasks' }, pages: ['tasks', 'task', 'round', 'new-task'] },
  { label: 'Sites', to: { page: 'sites' }, pages: ['sites', 'site'] },
  { label: 'Audit', to: { page: 'audit', filters: {} }, pages: ['audit'] },
  { label: 'Coordinator', to: { page: 'coordinator' }, pages: ['coordinator', 'settings'] },
  { label: 'Users', to: { page: 'users' }, pages: ['users'] },
];

function Navigation({ role }: { readonly role: Role }) {
  const { page } = usePlace();
  return (
    <nav aria-label="Pages" className="navigation">
      {destinations
        .filter(({ to }) => mayVisit(role, to.page))
        .map(({ label, to, pages }) => (
          <a
            key={label}
            href={addressOf(to)}
            aria-current={pages.includes(page) ? 'page' : undefined}
          >
            {label}
          </a>
        ))}
    </nav>
  );
}

function ColourSchemeButton() {
  const { setColorScheme } = useMantineColorScheme();
  const other = useComputedColorScheme('light') === 'light' ? 'dark' : 'light';
  return (
    <Button size="compact-sm" variant="default" onClick={() => setColorScheme(other)}>
      {other === 'dark' ? 'Dark colours' : 'Light colours'}
    </Button>
  );
}

/** Who is signed in, as the way to the own account. */
function AccountLink({ session }: { readonly session: Session }) {
  const { page } = usePlace();
  const { user, role, site } = session;
  const what = site === null ? role : `${role} of ${site}`;
  return (
    <a
      href={addressOf({ page: 'account' })}
      className="account-link"
      aria-current={page === 'account' ? 'page' : undefined}
      aria-label={`Account: ${user ?? 'administrator token'}, ${what}`}
      title={what}
    >
      {user ?? role}
    </a>
  );
}

function Header({ session }: { readonly session: Session }) {
  const state = useLiveState();
  const leave = (): void => {
    signOut().catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      announce(`You are still signed in: ${error.message}`);
    });
  };
  return (
    <header className="header">
      <Container size={contentWidth} className="header-row">
        <a href={addressOf({ page: 'overview' })} className="home" aria-label="MeLo Federation">
          <Mark />
        </a>
        <Navigation role={session.role} />
        <Group gap="xs" className="header-end" wrap="nowrap">
          <StatusBadge status={liveText[state]} isAnnounced />
          <AccountLink session={session} />
          <Button size="compact-sm" variant="default" onClick={leave}>
            Sign out
          </Button>
        </Group>
      </Container>
    </header>
  );
}

/** What this is not for, and whose federation it is. */
function Foot() {
  const { data } = useResource(health);
  return (
    <footer className="foot">
      <Container size={contentWidth} className="foot-row">
        <div>
          <Text size="xs" c="dimmed">
            <b>For investigational use only. Not a medical device:</b> nothing here, and no adapter
            that is downloaded here, may be used for diagnosis or treatment.
          </Text>
          {data !== undefined && (
            <Text size="xs" c="dimmed">
              {`MeLo Federation ${data.version} · federation ${data.federation} · key of the coordinator ${data.coordinatorFingerprint.slice(0, 16)}…`}
            </Text>
          )}
        </div>
        <ColourSchemeButton />
      </Container>
    </footer>
  );
}

const contentWidth = 1560;

/** A link of this kind must not change the address, which is where one is. */
function skipToContent(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

/** What is around every page. */
export function Shell(props: { readonly session: Session; readonly children: ReactNode }) {
  return (
    <div className="shell">
      <a className="skip" href="#content" onClick={skipToContent}>
        Skip to the content
      </a>
      <Header session={props.session} />
      <Container size={contentWidth} py="lg" component="main" id="content" tabIndex={-1}>
        <Stack gap="md">
          <StaleBanner />
          <Notice />
          {props.children}
        </Stack>
      </Container>
      <Foot />
      <AskedAction />
    </div>
  );
}
