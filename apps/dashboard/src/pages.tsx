/** Which page is shown where; what the first view does not need comes when it is asked for. */
import { lazy } from 'react';
import { sites, tasks, useResource } from './api/resources.ts';
import { LatePart } from './common/late-part.tsx';
import { NotFound } from './common/not-found.tsx';
import { OverviewPage } from './overview/overview-page.tsx';
import type { Place } from './places.ts';
import { usePlace } from './router.ts';
import { describeRole, ownersOf, useMayVisit } from './session/access.ts';
import { useSession } from './session/session.ts';
import { SitesPage } from './sites/sites-page.tsx';
import { TaskPage } from './tasks/task-page.tsx';
import { TasksPage } from './tasks/tasks-page.tsx';

const AccountPage = lazy(async () => ({
  default: (await import('./account/account-page.tsx')).AccountPage,
}));
const AuditPage = lazy(async () => ({
  default: (await import('./audit/audit-page.tsx')).AuditPage,
}));
const NewTaskPage = lazy(async () => ({
  default: (await import('./new-task/new-task-page.tsx')).NewTaskPage,
}));
const OperationsPage = lazy(async () => ({
  default: (await import('./operations/operations-page.tsx')).OperationsPage,
}));
const SettingsPage = lazy(async () => ({
  default: (await import('./settings/settings-page.tsx')).SettingsPage,
}));
const RoundPage = lazy(async () => ({
  default: (await import('./rounds/round-page.tsx')).RoundPage,
}));
const SitePage = lazy(async () => ({
  default: (await import('./sites/site-page.tsx')).SitePage,
}));
const UsersPage = lazy(async () => ({
  default: (await import('./users/users-page.tsx')).UsersPage,
}));

function pageAt(place: Place) {
  switch (place.page) {
    case 'overview':
      return <OverviewPage />;
    case 'tasks':
      return <TasksPage />;
    case 'task':
      return <TaskPage key={place.task} task={place.task} section={place.section} />;
    case 'round':
      return <RoundPage task={place.task} round={place.round} attempt={place.attempt} />;
    case 'sites':
      return <SitesPage />;
    case 'site':
      return <SitePage key={place.site} name={place.site} />;
    case 'audit':
      return <AuditPage filters={place.filters} />;
    case 'coordinator':
      return <OperationsPage />;
    case 'settings':
      return <SettingsPage />;
    case 'new-task':
      return <NewTaskPage />;
    case 'users':
      return <UsersPage />;
    case 'account':
      return <AccountPage />;
    case 'nowhere':
      return <NowherePage />;
  }
}

const toOverview = { to: { page: 'overview' }, label: 'To the overview' } as const;

function NowherePage() {
  const note = 'The address may be cut off, or mistyped.';
  return <NotFound title="There is no such page" note={note} {...toOverview} />;
}

/** A page that is not open to whoever is signed in: whose it is. */
function ClosedPage({ page }: { readonly page: Place['page'] }) {
  const session = useSession();
  const own = session === undefined ? '' : ` You are signed in as ${describeRole(session)}.`;
  const note = `It is open to ${ownersOf(page)}.${own} An administrator can change what you may do.`;
  return <NotFound title="This page is not open to you" note={note} {...toOverview} />;
}

/** The page that the address names. */
export function Pages() {
  // Kept for as long as somebody is signed in: nearly every page shows them, so going from one to the other shows no gap.
  useResource(tasks);
  useResource(sites);
  const place = usePlace();
  const mayVisit = useMayVisit(place.page);
  return (
    <LatePart of={place}>{mayVisit ? pageAt(place) : <ClosedPage page={place.page} />}</LatePart>
  );
}
