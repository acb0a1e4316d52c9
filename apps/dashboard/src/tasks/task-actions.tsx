/** What can be done with a task where it stands. */
import { z } from 'zod';
import { command, taskPath } from '../api/client.ts';
import type { Task } from '../api/schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { useMayCommand } from '../session/may-command.ts';

/** Only that it was done counts; what it led to is read anew. */
export const answerOfCommand = z.looseObject({});

/** A reason in the form that a command takes it in: left out where none was given. */
export const maybeReason = (reason: string): { readonly reason?: string } =>
  reason === '' ? {} : { reason };

function post(task: string, name: string, body: unknown): Promise<unknown> {
  return command('POST', taskPath(task, `/${name}`), answerOfCommand, body);
}

function actionsOf({ task, status, currentRound: round }: Task): readonly Action[] {
  const start: Action = {
    label: 'Start',
    title: `Start ${task}?`,
    explanation: 'Its first round opens as soon as enough of its members are there.',
    verb: 'Start it',
    reason: 'none',
    run: () => post(task, 'start', {}),
    done: `${task} was started.`,
  };
  const pause: Action = {
    label: 'Pause',
    title: `Pause ${task}?`,
    explanation: 'The open round goes on to its end; no other opens until the task is resumed.',
    verb: 'Pause it',
    reason: 'optional',
    run: (reason) => post(task, 'pause', maybeReason(reason)),
    done: `${task} is paused.`,
  };
  const resume: Action = {
    label: 'Resume',
    title: `Resume ${task}?`,
    explanation: 'The next round opens as soon as enough of its members are there.',
    verb: 'Resume it',
    reason: 'none',
    run: () => post(task, 'resume', {}),
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
    run: (reason) => post(task, 'cancel', maybeReason(reason)),
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
            run: (reason) => post(task, `rounds/${round.round}/abandon`, { reason }),
            done: `Round ${round.round} of ${task} was abandoned.`,
          },
        ];
  if (status === 'created') return [start, cancel];
  if (status === 'running') return [pause, ...abandon, cancel];
  if (status === 'paused') return [resume, ...abandon, cancel];
  if (status === 'failed') return [resume, cancel];
  return [];
}

/** What can be done with a task, as buttons that ask first. */
export function TaskActions({ task }: { readonly task: Task }) {
  if (!useMayCommand()) return null;
  return actionsOf(task).map((action) => <ActionButton key={action.label} action={action} />);
}
