/** What administrators do with accounts, each with the version that was looked at: two cannot undo each other unseen. */
import { z } from 'zod';
import { ApiError, command, read } from '../api/client.ts';
import { userSchema, type User } from '../api/people-schemas.ts';

/** The path of an account's routes. */
export function userPath(user: string, rest = ''): string {
  return `/v1/users/${encodeURIComponent(user)}${rest}`;
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

/** Change an account as it was looked at; where somebody else came first, say so. */
export async function changeUser<Schema extends z.ZodType>(
  { user, version }: User,
  name: string,
  schema: Schema,
  body: object = {},
): Promise<z.output<Schema>> {
  try {
    return await command('POST', userPath(user, `/${name}`), schema, {
      ...body,
      ifVersion: version,
    });
  } catch (error) {
    throw await explain(error, user, version);
  }
}

/** Remove an account as it was looked at. */
export async function removeUser({ user, version }: User): Promise<void> {
  try {
    await command('DELETE', userPath(user, `?ifVersion=${version}`), z.object({}));
  } catch (error) {
    throw await explain(error, user, version);
  }
}

/** A conflict is somebody else's change, or a rule such as that one administrator remains: the version tells which. */
async function explain(error: unknown, user: string, version: number): Promise<unknown> {
  if (!(error instanceof ApiError)) return error;
  if (error.code === 'NOT_FOUND') return new ChangedMeanwhile(user, undefined, { cause: error });
  if (error.code !== 'STATE_CONFLICT') return error;
  const present = await read(userPath(user), userSchema);
  if (present.version === version) return error;
  return new ChangedMeanwhile(user, present, { cause: error });
}
