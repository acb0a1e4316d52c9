/** What commands that change a task have in common: on the revision that was looked at, or in any case. */
import type { Command } from 'commander';
import { InputError } from '#core/errors';
import type { ConnectionOptions } from './admin-command.ts';

/** Options of a command that changes a task. */
export type RevisionOptions = ConnectionOptions & { readonly ifRevision?: string };

/** Give a command `--if-revision`. */
export function withRevision(command: Command): Command {
  return command.option(
    '--if-revision <revision>',
    'only where the task still has the revision that "tasks show" told; in any case where it is left out',
  );
}

/** The revision as a command is sent with it. */
export function revisionOf({ ifRevision }: RevisionOptions): { readonly ifRevision?: string } {
  if (ifRevision === undefined) return {};
  if (/^[0-9a-f]{16}$/.test(ifRevision)) return { ifRevision };
  throw new InputError(
    'USAGE',
    `--if-revision: expected 16 hexadecimal digits, as "tasks show" tells them, got ${JSON.stringify(ifRevision)}`,
  );
}
