/** `melo admin tokens`: API tokens for programs. */
import type { Command } from 'commander';
import { request } from '#api';
import { InputError } from '#core/errors';
import { nothing, scopeSchema, type Scope } from '../common/contract.ts';
import { tokenRoutes } from '../users/tokens.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { moreHint, wantedOf, withLimit, type ListOptions } from './list-options.ts';
import { formatTable, formatTime, parseNumber } from './text.ts';

type CreateOptions = ConnectionOptions & { readonly scopes: string; readonly days: string };

const scopeHelp = `
Scopes: read (sites, tasks, rounds, versions, evaluations, operations), tasks (make and run tasks, ask for evaluations),
sites (invite, approve, suspend, revoke), people (accounts and tokens: as good as everything), audit (the log), everything.
A token can do what its maker may do, as far as its scopes go. To use it here, save it in a file that you alone can read
and name that with --token-file or MELO_TOKEN_FILE.`;

/** Add the commands of API tokens to `admin`. */
export function addTokensCommands(admin: Command, environment: AdminEnvironment): void {
  const tokens = admin
    .command('tokens')
    .description('API tokens: for programs, with scopes, an end');
  const add = (name: string, description: string) =>
    withConnection(tokens.command(name).description(description), environment);

  withLimit(add('list', 'list the API tokens')).action((options: ListOptions) =>
    runAdmin(options, environment, (context) => listTokens(context, wantedOf(options))),
  );
  add('create <name>', 'make an API token and print it once')
    .option('--scopes <list>', 'what it is good for, with commas between', 'read')
    .option('--days <number>', 'days that it can be used, 1 to 365', '90')
    .addHelpText('after', scopeHelp)
    .action((name: string, options: CreateOptions) =>
      runAdmin(options, environment, async (context) => {
        const days = parseNumber('--days', options.days);
        const body = { name, scopes: parseScopes(options.scopes), days };
        const answer = await context.client.send(
          request('POST', '/v1/tokens', tokenRoutes.create.response, { body }),
        );
        context.show(answer, answer.secret);
        const { token, expiresAtMs } = answer.token;
        const end = formatTime(expiresAtMs, environment.nowMs());
        context.hint(`token ${token} is shown this once; it ends ${end}`);
      }),
    );
  add('revoke <token>', 'revoke an API token; what it has begun ends at once').action(
    (token: string, options: ConnectionOptions) =>
      runAdmin(options, environment, async (context) => {
        const answer = await context.client.send(
          request('DELETE', '/v1/tokens/{token}', nothing, { path: { token } }),
        );
        context.show(answer, `${token} is revoked`);
      }),
  );
}

function parseScopes(text: string): Scope[] {
  return text.split(',').map((word) => {
    const scope = scopeSchema.safeParse(word.trim());
    if (scope.success) return scope.data;
    throw new InputError(
      'USAGE',
      `--scopes: expected ${scopeSchema.options.join(', ')}, got ${JSON.stringify(word)}`,
    );
  });
}

async function listTokens(context: AdminContext, wanted: number): Promise<void> {
  const { items: tokens, hasMore } = await context.client.list(
    (cursor) => request('GET', '/v1/tokens', tokenRoutes.list.response, { query: { cursor } }),
    (page) => page.tokens,
    wanted,
  );
  const answer = { tokens, hasMore };
  if (tokens.length === 0) {
    context.show(answer, 'no API tokens yet');
    context.hint('next: melo admin tokens create NAME --scopes read');
    return;
  }
  const nowMs = context.environment.nowMs();
  const rows = tokens.map((token) => [
    token.token,
    token.name,
    token.owner ?? 'administrator',
    token.scopes.join(', '),
    formatTime(token.expiresAtMs, nowMs),
    token.lastUsedAtMs === null ? 'never' : formatTime(token.lastUsedAtMs, nowMs),
  ]);
  const headings = ['TOKEN', 'FOR', 'OWNER', 'SCOPES', 'ENDS', 'LAST USED'];
  context.show(answer, formatTable(headings, rows));
  if (hasMore) context.hint(moreHint);
}
