/** The overview: what needs a person, what runs, how good it is, who is there. */
import { NativeSelect } from '@mantine/core';
import { useState } from 'react';
import { sites, tasks as tasksResource, useResource } from '../api/resources.ts';
import type { Task } from '../api/schemas.ts';
import { PageTitle } from '../common/page-title.tsx';
import { Panel, Waiting } from '../common/panel.tsx';
import { ChartsPanel } from '../evaluation/charts-panel.tsx';
import { SitesPanel } from '../sites/sites-panel.tsx';
import { NoTask, TasksTable } from '../tasks/tasks-table.tsx';
import { CurrentRound } from '../rounds/current-round.tsx';
import { ConcernsPanel } from './concerns-panel.tsx';
import { pickTask } from './pick-task.ts';
import { Tiles } from './tiles.tsx';

function TaskChoice(props: {
  readonly tasks: readonly Task[];
  readonly chosen: string;
  readonly onChoose: (task: string) => void;
}) {
  if (props.tasks.length < 2) return null;
  return (
    <NativeSelect
      aria-label="Task"
      size="xs"
      data={props.tasks.map(({ task, title, status }) => ({
        value: task,
        label: `${title} (${status})`,
      }))}
      value={props.chosen}
      onChange={(event) => props.onChoose(event.currentTarget.value)}
    />
  );
}

/** The overview. */
export function OverviewPage() {
  const { data, error } = useResource(tasksResource);
  const siteList = useResource(sites);
  const [chosen, setChosen] = useState<string>();
  const tasks = data?.tasks ?? [];
  const task = pickTask(tasks, chosen);
  return (
    <>
      <PageTitle title="Overview" />
      <Tiles task={task} />
      {(tasks.length > 0 || (siteList.data?.sites.length ?? 0) > 0) && <ConcernsPanel />}
      <Panel title="Tasks">
        {data === undefined ? (
          <Waiting error={error} />
        ) : tasks.length === 0 ? (
          <NoTask />
        ) : (
          <TasksTable tasks={tasks} />
        )}
      </Panel>
      {task !== undefined && (
        <>
          <ChartsPanel
            key={task.task}
            task={task.task}
            title={`AUC and loss: ${task.title}`}
            aside={<TaskChoice tasks={tasks} chosen={task.task} onChoose={setChosen} />}
          />
          <CurrentRound task={task} />
        </>
      )}
      <SitesPanel />
    </>
  );
}
