/** What people do with a task, each with the revision that was looked at: two cannot undo each other unseen. */
import { request, type ApiRequest } from '#api';
import { ApiError, send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { taskSchema, type answerOfCommand, type Task } from '../api/schemas.ts';

type Looked = Pick<Task, 'task' | 'status' | 'promotedVersion' | 'revision'>;

/** Say what somebody else has made of a task. */
export function taskConflictText({ task, status, promotedVersion }: Looked): string {
  const promoted = promotedVersion === null ? 'no version' : `version ${promotedVersion}`;
  return `Somebody else, or a rule of the task, changed ${task} meanwhile: it is ${status} now, and ${promoted} is promoted. Nothing was done; look again and decide anew.`;
}

/** Change a task as it was looked at; where somebody else came first, say so and show what is there now. `make` is told which, and the revision to send. */
export async function changeTask(
  { task, revision }: Looked,
  make: (path: { readonly task: string }, ifRevision: string) => ApiRequest<typeof answerOfCommand>,
): Promise<unknown> {
  try {
    return await send(make({ task }, revision));
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'STATE_CONFLICT') throw error;
    const present = await send(request('GET', '/v1/tasks/{task}', taskSchema, { path: { task } }));
    if (present.revision === revision) throw error;
    await live.look();
    throw new ApiError(error.code, taskConflictText(present), { cause: error });
  }
}
