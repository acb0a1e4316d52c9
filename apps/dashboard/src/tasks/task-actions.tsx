/** What can be done with a task where it stands. */
import { Button } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { answerOfCommand, type Task } from '../api/schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { useMay } from '../session/access.ts';
import { changeTask } from './change-task.ts';
import { RerunDialog } from './rerun-dialog.tsx';

/** A reason in the form that a command takes it in: left out where none was given. */
export const maybeReason = (reason: string): { readonly reason?: string } =>
  reason === '' ? {} : { reason };

/** What the buttons send. */
const changes = {
  start: (task: Task) =>
    changeTask(task, (path, ifRevision) =>
      request('POST', '/v1/tasks/{task}/start', answerOfCommand, { path, body: { ifRevision } }),
    ),
  pause: (task: Task, reason: string) =>
    changeTask(task, (path, ifRevision) => {
      const body = { ...maybeReason(reason), ifRevision };
      return request('POST', '/v1/tasks/{task}/pause', answerOfCommand, { path, body });
    }),
  resume: (task: Task) =>
    changeTask(task, (path, ifRevision) =>
      request('POST', '/v1/tasks/{task}/resume', answerOfCommand, { path, body: { ifRevision } }),
    ),
  cancel: (task: Task, reason: string) =>
    changeTask(task, (path, ifRevision) => {
      const body = { ...maybeReason(reason), ifRevision };
      return request('POST', '/v1/tasks/{task}/cancel', answerOfCommand, { path, body });
    }),
} as const;

/** What can be done with a task, by the right that it needs. */
function actionsOf(looked: Task): Readonly<Record<'train' | 'administer', readonly Action[]>> {
  const { task, status, currentRound: round } = looked;
  const start: Action = {
    label: 'Start',
    title: `Start ${task}?`,
    explanation: 'Its first round opens as soon as enough of its members are there.',
    verb: 'Start it',
    reason: 'none',
    run: () => changes.start(looked),
    done: `${task} was started.`,
  };
  const pause: Action = {
    label: 'Pause',
    title: `Pause ${task}?`,
    explanation: 'The open round goes on to its end; no other opens until the task is resumed.',
    verb: 'Pause it',
    reason: 'optional',
    run: (reason) => changes.pause(looked, reason),
    done: `${task} is paused.`,
  };
  const resume: Action = {
    label: 'Resume',
    title: `Resume ${task}?`,
    explanation: 'The next round opens as soon as enough of its members are there.',
    verb: 'Resume it',
    reason: 'none',
    run: () => changes.resume(looked),
    done: `${task} goes on.`,
  };
  const cancel: Action = {
    label: 'Cancel',
    title: `Cancel ${task} for good?`,
    explanation:
      'The open round is abandoned: what sites are training for it is lost. The task ends; its versions stay. This cannot be taken back.',
    verb: 'Cancel the task',
    reason: 'optional',
    isGrave: true,
    run: (reason) => changes.cancel(looked, reason),
    done: `${task} was cancelled.`,
  };
  const abandon: readonly Action[] =
    round?.settledAtMs !== null
      ? []
      : [
          {
            label: 'Abandon the round',
            title: `Abandon round ${round.round} of ${task}?`,
            explanation:
              'What sites have trained for it is not used. The round is tried again, with all members.',
            verb: 'Abandon the round',
            reason: 'required',
            isGrave: true,
            run: (reason) =>
              send(
                request('POST', '/v1/tasks/{task}/rounds/{round}/abandon', answerOfCommand, {
                  path: { task, round: round.round },
                  body: { reason, ifAttempt: round.attempt },
                }),
              ),
            done: `Round ${round.round} of ${task} was abandoned.`,
          },
        ];
  if (status === 'created') return { train: [start], administer: [cancel] };
  if (status === 'running') return { train: [pause], administer: [...abandon, cancel] };
  if (status === 'paused') return { train: [resume], administer: [...abandon, cancel] };
  if (status === 'failed') return { train: [resume], administer: [cancel] };
  return { train: [], administer: [] };
}

/** What can be done with a task, as buttons that ask first. */
export function TaskActions({ task }: { readonly task: Task }) {
  const mayTrain = useMay('train');
  const mayAdminister = useMay('administer');
  const { train, administer } = actionsOf(task);
  const actions = [...(mayTrain ? train : []), ...(mayAdminister ? administer : [])];
  const hasEnded = task.status === 'finished' || task.status === 'failed';
  /** As it was looked at when its window was opened. */
  const [looked, setLooked] = useState<Task>();
  return (
    <>
      {actions.map((action) => (
        <ActionButton key={action.label} action={action} />
      ))}
      {mayAdminister && hasEnded && (
        <Button size="compact-sm" variant="default" onClick={() => setLooked(task)}>
          Run again
        </Button>
      )}
      {looked !== undefined && <RerunDialog task={looked} onClose={() => setLooked(undefined)} />}
    </>
  );
}
