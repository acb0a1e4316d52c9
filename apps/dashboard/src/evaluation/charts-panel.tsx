/** AUC and loss by version in a panel; what draws comes when it is first needed. */
import { lazy, type ReactNode } from 'react';
import { resourcesOf, useResource } from '../api/resources.ts';
import { LatePart } from '../common/late-part.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';

const Charts = lazy(async () => ({ default: (await import('./charts.tsx')).Charts }));

/** Say that no site has evaluated a version. */
export function NoEvaluation() {
  return (
    <Empty>
      No site has evaluated a version yet. Each site does so on its held-out images before and after
      a round.
    </Empty>
  );
}

/** AUC and loss by version in a panel. */
export function ChartsPanel(props: {
  readonly task: string;
  readonly title: string;
  readonly aside?: ReactNode;
}) {
  const { task, title, aside } = props;
  const { data, error } = useResource(resourcesOf(task).evaluations);
  const isEvaluated = data?.evaluations.some(({ sites }) => sites.length > 0) === true;
  return (
    <Panel title={title} aside={aside}>
      {data === undefined ? (
        <Waiting error={error} />
      ) : isEvaluated ? (
        <LatePart of={task}>
          <Charts task={task} evaluations={data} />
        </LatePart>
      ) : (
        <NoEvaluation />
      )}
    </Panel>
  );
}
