/** A definition is sent to the coordinator, and its page opened. */
import { Alert, Checkbox } from '@mantine/core';
import { useState } from 'react';
import { z } from 'zod';
import { request, type BodyOf } from '#api';
import { send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { useRun } from '../common/use-run.ts';
import { announce } from '../common/notice.tsx';
import { goTo, placeNow } from '../router.ts';

const answerSchema = z.object({ task: z.string() });

/** Whether it starts at once, and the sending of it. */
export function useCreation() {
  const [isStarted, setIsStarted] = useState(true);
  const { isBusy, failure, run } = useRun();
  const create = (body: BodyOf<'/v1/tasks'>): void => {
    run(async () => {
      const query = { start: isStarted ? 'true' : 'false' } as const;
      const { task } = await send(request('POST', '/v1/tasks', answerSchema, { query, body }));
      await live.look();
      announce(`${task} was created${isStarted ? ' and started' : ''}.`);
      // Whoever has gone elsewhere meanwhile stays there.
      if (placeNow().page === 'new-task') goTo({ page: 'task', task, section: 'now' });
    });
  };
  return { isStarted, setIsStarted, isBusy, failure, create };
}

/** Whether the task starts at once, and why the coordinator did not take it. */
export function StartChoice({ creation }: { readonly creation: ReturnType<typeof useCreation> }) {
  const { isStarted, setIsStarted, failure } = creation;
  return (
    <>
      <Checkbox
        label="Start it at once"
        checked={isStarted}
        onChange={(event) => setIsStarted(event.currentTarget.checked)}
      />
      {failure !== undefined && (
        <Alert color="red" role="alert" title="The coordinator did not take it">
          {failure}
        </Alert>
      )}
    </>
  );
}
