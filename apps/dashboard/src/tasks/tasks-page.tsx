/** Every task. */
import { tasks, useResource } from '../api/resources.ts';
import { LinkButton } from '../common/link.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Panel, TooMany, Waiting } from '../common/panel.tsx';
import { NoTask, TasksTable } from './tasks-table.tsx';

/** Every task. */
export function TasksPage() {
  const { data, error } = useResource(tasks);
  return (
    <>
      <PageTitle
        title="Tasks"
        aside={
          <LinkButton isMain to={{ page: 'new-task' }}>
            New task
          </LinkButton>
        }
      />
      <Panel title="Every task">
        {data === undefined ? (
          <Waiting error={error} />
        ) : data.tasks.length === 0 ? (
          <NoTask />
        ) : (
          <>
            <TasksTable tasks={data.tasks} />
            {data.hasMore && <TooMany what="tasks" shown={data.tasks.length} />}
          </>
        )}
      </Panel>
    </>
  );
}
