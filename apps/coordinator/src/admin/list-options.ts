/** What commands that list something have in common: everything, or as many as are wanted. */
import type { Command } from 'commander';
import { InputError } from '#core/errors';
import type { ConnectionOptions } from './admin-command.ts';
import { parseNumber } from './text.ts';

/** Options of a command that lists something. */
export type ListOptions = ConnectionOptions & { readonly limit?: string };

/** Give a command `--limit`. */
export function withLimit(command: Command): Command {
  return command.option('--limit <number>', 'as many at most; all where it is left out');
}

/** How many are wanted. */
export function wantedOf({ limit }: { readonly limit?: string }): number {
  if (limit === undefined) return Infinity;
  const wanted = parseNumber('--limit', limit);
  if (wanted > 0) return wanted;
  throw new InputError('USAGE', '--limit: expected 1 or more, got 0');
}

/** Said below a list that was cut. */
export const moreHint = 'there are more: a larger --limit';
