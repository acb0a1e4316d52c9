/** `melo admin export`: sites and tasks as the documents that `melo admin apply` takes. */
import type { Command } from 'commander';
import { request } from '#api';
import { utf8 } from '#core/bytes';
import { StateError } from '#core/errors';
import { taskDefinitionSchema, type TaskDefinition } from '#core/protocol';
import type { SiteView } from '../sites/sites.contract.ts';
import { taskViewSchema } from '../tasks/tasks.contract.ts';
import { sessionViewSchema } from '../users/users.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { isAble } from './apply-plan.ts';
import { formatDeclared, type Declared } from './declared.ts';
import { sitePages, taskPages } from './whole-lists.ts';

type ExportOptions = ConnectionOptions & { readonly out?: string; readonly force?: true };

const help = `
Without TASK every task and every site, else those tasks and their members. Sites that left or were revoked are left out:
they can be members of no new task. What has happened (rounds, versions, keys, who is approved) is in a backup, not here.
Exit codes: 0 done, 3 token file unusable, 6 unreachable, 7 not allowed, 8 no such task, 9 the file is there.`;

/** Add `export` to `admin`. */
export function addExportCommand(admin: Command, environment: AdminEnvironment): void {
  const command = admin
    .command('export')
    .description('print tasks and sites as YAML, for "melo admin apply"')
    .argument('[tasks...]', 'the tasks; all of them by default');
  withConnection(command, environment)
    .option('--out <file>', 'write it to a file instead')
    .option('--force', 'write over a file that is there')
    .addHelpText('after', help)
    .action((names: string[], options: ExportOptions) =>
      runAdmin(options, environment, (context) => exportDeclared(context, names, options)),
    );
}

async function exportDeclared(
  context: AdminContext,
  names: readonly string[],
  { out, force }: ExportOptions,
): Promise<void> {
  const { environment } = context;
  if (out !== undefined && force !== true && (await environment.doesExist(out))) {
    throw new StateError(
      'ALREADY_EXISTS',
      `--out: expected a new file, got ${out}, which is there; name another or add --force`,
    );
  }
  const declared = await readDeclared(context, names);
  const text = formatDeclared(declared);
  if (out === undefined) {
    context.show(declared, text.trimEnd());
    return;
  }
  await environment.writeWhole(out, utf8(text));
  const { sites, tasks } = declared;
  context.show(
    { file: out, sites: sites.length, tasks: tasks.length },
    `${out}: ${sites.length} sites, ${tasks.length} tasks`,
  );
  context.hint(`next: melo admin apply --file ${out} --dry-run`);
}

async function readDeclared({ client }: AdminContext, names: readonly string[]): Promise<Declared> {
  const { role } = await client.send(request('GET', '/v1/sessions/current', sessionViewSchema));
  if (role === 'steward') {
    throw new StateError(
      'STATE_CONFLICT',
      'export: expected somebody who sees every member, a steward sees one site of a definition; use the token of a viewer or above',
    );
  }
  const { items: sites } = await client.list(sitePages, (page) => page.sites);
  const tasks = await readTasks(client, names);
  const wanted = new Set(tasks.flatMap(({ members }) => members));
  const isNamed = (site: SiteView): boolean => names.length === 0 || wanted.has(site.site);
  const able = sites.filter((site) => isAble(site) && isNamed(site));
  return { sites: able.map(({ site }) => site), tasks };
}

async function readTasks(
  client: AdminContext['client'],
  names: readonly string[],
): Promise<TaskDefinition[]> {
  const tasks: TaskDefinition[] = [];
  if (names.length === 0) {
    const all = await client.list(taskPages, (page) => page.tasks);
    tasks.push(...all.items.map(({ definition }) => taskDefinitionSchema.parse(definition)));
  }
  for (const task of new Set(names)) {
    const { definition } = await client.send(
      request('GET', '/v1/tasks/{task}', taskViewSchema, { path: { task } }),
    );
    tasks.push(taskDefinitionSchema.parse(definition));
  }
  return tasks;
}
