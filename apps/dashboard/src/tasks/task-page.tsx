/** One task, in parts that each have an address. */
import { Alert, Group, Stack, Text } from '@mantine/core';
import { tasks, useResource } from '../api/resources.ts';
import type { Task } from '../api/schemas.ts';
import { plural } from '../common/format.ts';
import { NotFound } from '../common/not-found.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { ChartsPanel } from '../evaluation/charts-panel.tsx';
import { FiguresPanel } from '../evaluation/figures-panel.tsx';
import { RequestsPanel } from '../evaluation/requests-panel.tsx';
import { addressOf, taskSections, type TaskSection } from '../places.ts';
import { VersionsPanel } from '../registry/versions-panel.tsx';
import { CurrentRound } from '../rounds/current-round.tsx';
import { RoundHistory } from '../rounds/round-history.tsx';
import { SiteFiguresPanel } from '../rounds/site-figures-panel.tsx';
import { useMay } from '../session/access.ts';
import { PlanPanel } from './plan-panel.tsx';
import { TaskActions } from './task-actions.tsx';
import { TaskProgress } from './tasks-table.tsx';

const sectionLabels: Readonly<Record<TaskSection, string>> = {
  now: 'Now',
  figures: 'Figures',
  versions: 'Versions',
  rounds: 'Rounds',
  plan: 'Plan',
};

function Sections({ task, section }: { readonly task: string; readonly section: TaskSection }) {
  return (
    <nav aria-label="Parts of the task" className="sections">
      {taskSections.map((each) => (
        <a
          key={each}
          href={addressOf({ page: 'task', task, section: each })}
          aria-current={each === section ? 'page' : undefined}
        >
          {sectionLabels[each]}
        </a>
      ))}
    </nav>
  );
}

function describe({ task, definition }: Task): string {
  return [
    `task ${task}`,
    definition.classes.join(', '),
    `${definition.backbone.name}, rank ${definition.rank}`,
    plural(definition.members.length, 'member'),
    definition.mode === 'clear' ? 'clear: the coordinator opens updates' : definition.mode,
  ].join(' · ');
}

function Notes({ task }: { readonly task: Task }) {
  const { status, reason, openingRefusal, incompleteRounds, promotedVersion } = task;
  return (
    <>
      {reason !== null && (
        <Alert color={status === 'failed' ? 'red' : 'yellow'} title={`The task is ${status}`}>
          {reason}
        </Alert>
      )}
      {openingRefusal !== null && status === 'running' && (
        <Alert color="yellow" title="No round opens now">
          {openingRefusal.message}
        </Alert>
      )}
      <Group gap="lg" align="center">
        <TaskProgress task={task} />
        <Text size="sm">
          {promotedVersion === null
            ? 'No version is promoted yet.'
            : `Version ${promotedVersion} is the one to use.`}
        </Text>
        {incompleteRounds.length > 0 && (
          <Text size="sm">
            {`${plural(incompleteRounds.length, 'round was', 'rounds were')} published without all planned sites.`}
          </Text>
        )}
      </Group>
    </>
  );
}

function Section({ task, section }: { readonly task: Task; readonly section: TaskSection }) {
  const mayInspect = useMay('inspect');
  switch (section) {
    case 'now':
      return (
        <>
          <CurrentRound task={task} />
          <ChartsPanel task={task.task} title="AUC and loss" />
        </>
      );
    case 'figures':
      return (
        <>
          <ChartsPanel task={task.task} title="AUC and loss" />
          <FiguresPanel task={task.task} />
          {mayInspect && <SiteFiguresPanel task={task} />}
          <RequestsPanel task={task.task} />
        </>
      );
    case 'versions':
      return <VersionsPanel task={task} />;
    case 'rounds':
      return <RoundHistory task={task.task} />;
    case 'plan':
      return <PlanPanel task={task} />;
  }
}

/** One task. */
export function TaskPage({
  task: name,
  section,
}: {
  readonly task: string;
  readonly section: TaskSection;
}) {
  const { data, error } = useResource(tasks);
  const task = data?.tasks.find((each) => each.task === name);
  if (data === undefined) {
    return (
      <>
        <PageTitle title={`Task ${name}`} />
        <Waiting error={error} />
      </>
    );
  }
  if (task === undefined) {
    return (
      <NotFound title={`There is no task ${name}`} to={{ page: 'tasks' }} label="To the tasks" />
    );
  }
  return (
    <>
      <PageTitle
        title={task.title}
        mark={<StatusBadge status={task.status} />}
        aside={<TaskActions task={task} />}
        note={describe(task)}
      />
      <Notes task={task} />
      <Sections task={name} section={section} />
      <Stack gap="md">
        <Section task={task} section={section} />
      </Stack>
    </>
  );
}
