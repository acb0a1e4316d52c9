/** What administrators do with accounts, each with the version that was looked at: two cannot undo each other unseen. */
import type { z } from 'zod';
import { request, type ApiRequest } from '#api';
import { ApiError, send } from '../api/client.ts';
import { userSchema, type User } from '../api/people-schemas.ts';
import { answerOfCommand } from '../api/schemas.ts';

/** Read an account. */
export function readUser(user: string): Promise<User> {
  return send(request('GET', '/v1/users/{user}', userSchema, { path: { user } }));
}

/** Somebody else changed the account since it was looked at. `present` is what it is now; undefined where it is gone. */
export class ChangedMeanwhile extends ApiError {
  readonly present: User | undefined;

  constructor(user: string, present: User | undefined, options: ErrorOptions) {
    super('STATE_CONFLICT', conflictText(user, present), options);
    this.name = 'ChangedMeanwhile';
    this.present = present;
  }
}

/** Say what somebody else has made of an account. */
export function conflictText(user: string, present: User | undefined): string {
  if (present === undefined) return `Somebody else removed ${user} meanwhile.`;
  const { role, site, status } = present;
  const place = site === null ? role : `${role} of ${site}`;
  return `Somebody else changed ${user} meanwhile: now ${place}, ${status}. Nothing was done; look again and decide anew.`;
}

/** Change an account as it was looked at; where somebody else came first, say so. `make` is told whom, and the version to send. */
export async function changeUser<Schema extends z.ZodType>(
  { user, version }: User,
  make: (path: { readonly user: string }, ifVersion: number) => ApiRequest<Schema>,
): Promise<z.output<Schema>> {
  try {
    return await send(make({ user }, version));
  } catch (error) {
    throw await explain(error, user, version);
  }
}

/** Remove an account as it was looked at. */
export async function removeUser(user: User): Promise<void> {
  await changeUser(user, (path, ifVersion) =>
    request('DELETE', '/v1/users/{user}', answerOfCommand, { path, query: { ifVersion } }),
  );
}

/** A conflict is somebody else's change, or a rule such as that one administrator remains: the version tells which. */
async function explain(error: unknown, user: string, version: number): Promise<unknown> {
  if (!(error instanceof ApiError)) return error;
  if (error.code === 'NOT_FOUND') return new ChangedMeanwhile(user, undefined, { cause: error });
  if (error.code !== 'STATE_CONFLICT') return error;
  const present = await readUser(user);
  if (present.version === version) return error;
  return new ChangedMeanwhile(user, present, { cause: error });
}
