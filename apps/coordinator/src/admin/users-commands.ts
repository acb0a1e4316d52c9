/** `melo admin users`: who has an account, what each may do, temporary passwords. */
import type { Command } from 'commander';
import { request } from '#api';
import { InputError } from '#core/errors';
import { nothing } from '../common/contract.ts';
import {
  accountRoutes,
  newPasswordSchema,
  userViewSchema,
  type NewPassword,
  type UserView,
} from '../users/accounts.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { moreHint, wantedOf, withLimit, type ListOptions } from './list-options.ts';
import { formatPairs, formatTable, formatTime } from './text.ts';

type PlaceOptions = ConnectionOptions & { readonly role: UserView['role']; readonly site?: string };
type ChooseOptions = ConnectionOptions & { readonly choose?: true };
type CreateOptions = PlaceOptions & ChooseOptions;
type VersionOptions = ConnectionOptions & { readonly ifVersion?: string };
type PasswordOptions = ChooseOptions & VersionOptions;

const roleHelp = `
Roles: administrator does everything; scientist reads everything, makes and runs tasks, asks for evaluations, downloads
adapters; viewer reads everything but adapters; steward sees the site of --site and nothing of another.`;
const passwordHelp = `
A temporary password is made and printed once; it is good for a week and is changed at the first sign-in. With --choose it
is asked for without being shown, or read from standard input; no option takes it, since a command line is seen by others.`;

/** Add the commands of people to `admin`. */
export function addUsersCommands(admin: Command, environment: AdminEnvironment): void {
  const users = admin.command('users').description('people: accounts, roles, temporary passwords');
  const add = (name: string, description: string) =>
    withConnection(users.command(name).description(description), environment);

  withLimit(add('list', 'list the people with an account')).action((options: ListOptions) =>
    runAdmin(options, environment, (context) => listUsers(context, wantedOf(options))),
  );
  add('show <user>', 'show one account').action((user: string, options: ConnectionOptions) =>
    runAdmin(options, environment, async (context) => {
      const view = await context.client.send(
        request('GET', '/v1/users/{user}', userViewSchema, { path: { user } }),
      );
      context.show(view, describeUser(view, environment.nowMs()));
    }),
  );
  add('create <user>', 'make an account with a temporary password')
    .requiredOption('--role <role>', 'administrator, scientist, steward or viewer')
    .option('--site <site>', 'the site of a steward')
    .option('--choose', 'choose the temporary password')
    .addHelpText('after', roleHelp + passwordHelp)
    .action((user: string, options: CreateOptions) =>
      runAdmin(options, environment, async (context) => {
        const chosen = await choosePassword(context, options);
        const body = { user, ...placeOf(options), ...chosen };
        const made = request('POST', '/v1/users', newPasswordSchema, { body });
        showPassword(context, await context.client.send(made));
      }),
    );
  withVersion(add('password <user>', 'set a temporary password, after a forgotten one'))
    .option('--choose', 'choose it')
    .addHelpText('after', passwordHelp)
    .action((user: string, options: PasswordOptions) =>
      runAdmin(options, environment, async (context) => {
        const body = { ...(await choosePassword(context, options)), ...versionOf(options) };
        const reset = request('POST', '/v1/users/{user}/password', newPasswordSchema, {
          path: { user },
          body,
        });
        showPassword(context, await context.client.send(reset));
      }),
    );
  addChanges(add, environment);
  addRemovals(add, environment);
}

/** Give a command `--if-version`. */
function withVersion(command: Command): Command {
  return command.option(
    '--if-version <number>',
    'only where the account still has the version that "users show" told',
  );
}

function addChanges(
  add: (name: string, description: string) => Command,
  environment: AdminEnvironment,
): void {
  const change = (name: string, description: string) => withVersion(add(name, description));
  change('role <user>', 'change what somebody may do')
    .requiredOption('--role <role>', 'administrator, scientist, steward or viewer')
    .option('--site <site>', 'the site of a steward')
    .addHelpText('after', roleHelp)
    .action((user: string, options: PlaceOptions & VersionOptions) =>
      runAdmin(options, environment, async (context) => {
        const body = { ...placeOf(options), ...versionOf(options) };
        const path = { user };
        const view = await context.client.send(
          request('POST', '/v1/users/{user}/role', userViewSchema, { path, body }),
        );
        context.show(view, `${user} is ${roleOf(view)}`);
      }),
    );
  change('suspend <user>', 'let somebody do nothing until resumed')
    .requiredOption('--reason <text>', 'why; it stays in the record')
    .action((user: string, options: VersionOptions & { readonly reason: string }) =>
      runAdmin(options, environment, async (context) => {
        const body = { reason: options.reason, ...versionOf(options) };
        const path = { user };
        const view = await context.client.send(
          request('POST', '/v1/users/{user}/suspend', userViewSchema, { path, body }),
        );
        context.show(view, `${user} is ${view.status}: ${options.reason}`);
      }),
    );
  change('resume <user>', 'let a suspended person sign in again').action(
    (user: string, options: VersionOptions) =>
      runAdmin(options, environment, async (context) => {
        const view = await context.client.send(
          request('POST', '/v1/users/{user}/resume', userViewSchema, {
            path: { user },
            body: versionOf(options),
          }),
        );
        context.show(view, `${user} is ${view.status}`);
      }),
  );
}

function addRemovals(
  add: (name: string, description: string) => Command,
  environment: AdminEnvironment,
): void {
  const change = (name: string, description: string) => withVersion(add(name, description));
  change('second-factor <user>', 'remove the second factor of somebody who lost it').action(
    (user: string, options: VersionOptions) =>
      runAdmin(options, environment, async (context) => {
        const view = await context.client.send(
          request('POST', '/v1/users/{user}/second-factor/remove', userViewSchema, {
            path: { user },
            body: versionOf(options),
          }),
        );
        context.show(view, `${user} signs in with the password alone`);
      }),
  );
  change('remove <user>', 'remove an account with its sessions and API tokens').action(
    (user: string, options: VersionOptions) =>
      runAdmin(options, environment, async (context) => {
        const answer = await context.client.send(
          request('DELETE', '/v1/users/{user}', nothing, {
            path: { user },
            query: versionOf(options),
          }),
        );
        context.show(answer, `${user} has no account any more`);
      }),
  );
}

const placeOf = ({ role, site }: PlaceOptions) => ({
  role,
  ...(site === undefined ? {} : { site }),
});

function versionOf({ ifVersion }: VersionOptions): { readonly ifVersion?: number } {
  if (ifVersion === undefined) return {};
  if (/^\d{1,9}$/.test(ifVersion)) return { ifVersion: Number(ifVersion) };
  throw new InputError('USAGE', '--if-version: expected a whole number, as "users show" tells it');
}

async function choosePassword(
  { environment }: AdminContext,
  { choose }: ChooseOptions,
): Promise<{ readonly password?: string }> {
  if (choose !== true) return {};
  const password = await environment.askSecret('Temporary password (12 characters or more): ');
  if (password === '') {
    throw new InputError('USAGE', '--choose: expected a password, got nothing; type or pipe one');
  }
  return { password };
}

function showPassword(context: AdminContext, answer: NewPassword): void {
  const { user, temporaryPassword } = answer;
  const text = `${user.user} is ${roleOf(user)}`;
  const shown = temporaryPassword === null ? '' : `\ntemporary password: ${temporaryPassword}`;
  context.show(answer, text + shown);
  context.hint('hand it over in person; it is good for a week and is changed at the first sign-in');
}

async function listUsers(context: AdminContext, wanted: number): Promise<void> {
  const { items: users, hasMore } = await context.client.list(
    (cursor) => request('GET', '/v1/users', accountRoutes.list.response, { query: { cursor } }),
    (page) => page.users,
    wanted,
  );
  const answer = { users, hasMore };
  if (users.length === 0) {
    context.show(answer, 'nobody has an account yet');
    context.hint('next: melo admin users create NAME --role administrator');
    return;
  }
  const nowMs = context.environment.nowMs();
  const rows = users.map((user) => [
    user.user,
    roleOf(user),
    user.status,
    user.password,
    user.hasSecondFactor ? 'yes' : 'no',
    formatTime(user.lastSignInAtMs, nowMs),
  ]);
  const headings = ['NAME', 'ROLE', 'STATUS', 'PASSWORD', 'SECOND FACTOR', 'LAST SIGN-IN'];
  context.show(answer, formatTable(headings, rows));
  if (hasMore) context.hint(moreHint);
}

const roleOf = ({ role, site }: UserView): string => (site === null ? role : `${role} of ${site}`);

function describeUser(view: UserView, nowMs: number): string {
  return formatPairs([
    ['name', view.user],
    ['role', roleOf(view)],
    ['status', view.reason === null ? view.status : `${view.status}: ${view.reason}`],
    ['password', view.password],
    ['second factor', view.hasSecondFactor ? 'yes' : 'no'],
    ['single sign-on', view.issuer ?? ''],
    ['made', formatTime(view.createdAtMs, nowMs)],
    ['last sign-in', formatTime(view.lastSignInAtMs, nowMs)],
    ['version', String(view.version)],
  ]);
}
