/** Which page is shown where; what the first view does not need comes when it is asked for. */
import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { sites, tasks, useResource } from './api/resources.ts';
import { LinkButton } from './common/link.tsx';
import { PageTitle } from './common/page-title.tsx';
import { OverviewPage } from './overview/overview-page.tsx';
import type { Place } from './places.ts';
import { usePlace } from './router.ts';
import { SitesPage } from './sites/sites-page.tsx';
import { TaskPage } from './tasks/task-page.tsx';
import { TasksPage } from './tasks/tasks-page.tsx';

const AuditPage = lazy(async () => ({
  default: (await import('./audit/audit-page.tsx')).AuditPage,
}));
const NewTaskPage = lazy(async () => ({
  default: (await import('./new-task/new-task-page.tsx')).NewTaskPage,
}));
const OperationsPage = lazy(async () => ({
  default: (await import('./operations/operations-page.tsx')).OperationsPage,
}));
const RoundPage = lazy(async () => ({
  default: (await import('./rounds/round-page.tsx')).RoundPage,
}));
const SitePage = lazy(async () => ({
  default: (await import('./sites/site-page.tsx')).SitePage,
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
    case 'new-task':
      return <NewTaskPage />;
    case 'nowhere':
      return <NowherePage />;
  }
}

function NowherePage() {
  return (
    <>
      <PageTitle title="There is no such page" note="The address may be cut off, or mistyped." />
      <div>
        <LinkButton to={{ page: 'overview' }}>To the overview</LinkButton>
      </div>
    </>
  );
}

/** The page that the address names. */
export function Pages() {
  // Kept for as long as somebody is signed in: nearly every page shows them, so going from one to the other shows no gap.
  useResource(tasks);
  useResource(sites);
  return (
    <Suspense fallback={<Skeleton height={240} radius="md" role="status" aria-label="Loading" />}>
      {pageAt(usePlace())}
    </Suspense>
  );
}
