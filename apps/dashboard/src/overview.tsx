/** What a person sees who is signed in. */
import { Alert, Container, NativeSelect, Stack } from '@mantine/core';
import { useState } from 'react';
import { tasks as tasksResource, useResource } from './api/resources.ts';
import type { Session, Task } from './api/schemas.ts';
import { Empty, Panel, Waiting } from './common/panel.tsx';
import { Header, useLiveState } from './header.tsx';
import { SitesPanel } from './sites/sites-panel.tsx';
import { SummaryTiles } from './summary-tiles.tsx';
import { TaskHead, TaskView } from './tasks/task-view.tsx';

function StaleBanner() {
  if (useLiveState() !== 'stale') return null;
  return (
    <Alert color="red" role="alert" title="This page is not live">
      The connection to the coordinator is lost; what stands here may be old. It is tried again by
      itself.
    </Alert>
  );
}

function TaskChoice(props: {
  readonly tasks: readonly Task[];
  readonly chosen: string;
  readonly onChoose: (task: string) => void;
}) {
  if (props.tasks.length < 2) return null;
  return (
    <NativeSelect
      label="Task"
      maw={420}
      data={props.tasks.map(({ task, title, status }) => ({
        value: task,
        label: `${title} (${status})`,
      }))}
      value={props.chosen}
      onChange={(event) => props.onChoose(event.currentTarget.value)}
    />
  );
}

/** The task that was chosen, else one that is running, else the newest. */
function pickTask(tasks: readonly Task[], chosen: string | undefined): Task | undefined {
  return (
    tasks.find(({ task }) => task === chosen) ??
    tasks.find(({ status }) => status === 'running') ??
    tasks.at(-1)
  );
}

function Tasks() {
  const { data, error } = useResource(tasksResource);
  const [chosen, setChosen] = useState<string>();
  const tasks = data?.tasks ?? [];
  const task = pickTask(tasks, chosen);
  return (
    <>
      {task !== undefined && (
        <>
          <TaskChoice tasks={tasks} chosen={task.task} onChoose={setChosen} />
          <TaskHead task={task} />
        </>
      )}
      <SummaryTiles task={task} />
      <SitesPanel />
      {data === undefined && <Waiting error={error} />}
      {data !== undefined && task === undefined && (
        <Panel title="Tasks">
          <Empty command="melo admin tasks create task.yaml">
            No task yet. A task names a backbone, classes, members and a number of rounds.
          </Empty>
        </Panel>
      )}
      {task !== undefined && <TaskView key={task.task} task={task} />}
    </>
  );
}

/** What a person sees who is signed in. */
export function Overview(props: { readonly session: Session; readonly onSignedOut: () => void }) {
  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <Header session={props.session} onSignedOut={props.onSignedOut} />
      <Container size="xl" py="md" component="main" id="content" tabIndex={-1}>
        <Stack gap="md">
          <StaleBanner />
          <Tasks />
        </Stack>
      </Container>
    </>
  );
}
