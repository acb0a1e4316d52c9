/** `melo admin apply`: what a file declares and is not there is made; what is there is left as it is, or refused by field. */
import type { Command } from 'commander';
import { request } from '#api';
import { InputError, StateError } from '#core/errors';
import { invitationViewSchema } from '../sites/sites.contract.ts';
import { taskViewSchema } from '../tasks/tasks.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  tellFailure,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { planApply, type PlannedAct } from './apply-plan.ts';
import { parseDeclared, type Declared } from './declared.ts';
import { formatTime } from './text.ts';
import { sitePages, taskPages } from './whole-lists.ts';

type ApplyOptions = ConnectionOptions & {
  readonly file: string;
  readonly dryRun?: true;
  readonly start: boolean;
  readonly siteUrl?: string;
};

const help = `
The file has any number of YAML documents: definitions of tasks, as "melo admin export", "tasks example" and the dashboard
write them, and sites ("version: 1" and "site: NAME"), which are invited; their codes are printed once. What is to be done
is said first. Where anything is refused nothing is done at all: a definition never changes, so a task that is there and
differs needs a new name. Running it again does what was left undone; a code that was lost is made anew by
"melo admin sites invite NAME --again".
Exit codes: 0 done or nothing to do, 2 usage, 3 the file or the token file is unusable, 6 unreachable, 7 not allowed,
9 something is refused, by name and field.`;

/** Add `apply` to `admin`. */
export function addApplyCommand(admin: Command, environment: AdminEnvironment): void {
  const command = admin
    .command('apply')
    .description(
      'make the tasks and invite the sites of a YAML file, where they are not there yet',
    );
  withConnection(command, environment)
    .requiredOption('-f, --file <file>', 'the file')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--no-start', 'create tasks without starting them')
    .option('--site-url <url>', 'address that codes carry, as sites see the coordinator')
    .addHelpText('after', help)
    .action(async (options: ApplyOptions) => {
      try {
        const declared = parseDeclared(options.file, await readFile(environment, options.file));
        await runAdmin(options, environment, (context) => apply(context, declared, options));
      } catch (error) {
        tellFailure(error, environment, options.json === true);
      }
    });
}

async function readFile(environment: AdminEnvironment, file: string): Promise<string> {
  try {
    return await environment.readText(file);
  } catch (cause) {
    throw new InputError(
      'USAGE',
      `--file: expected ${file}, it cannot be read; "melo admin export" prints such a file`,
      {},
      { cause },
    );
  }
}

/** What became of one document. */
interface Outcome {
  readonly kind: PlannedAct['kind'];
  readonly name: string;
  readonly action: PlannedAct['action'];
  /** Of a task or a site that is there. */
  readonly status?: string;
  /** Why it is refused, by field. */
  readonly problems?: readonly string[];
  /** Of a site that was invited: shown this once. */
  readonly code?: string;
  readonly expiresAtMs?: number;
}

async function apply(
  context: AdminContext,
  declared: Declared,
  options: ApplyOptions,
): Promise<void> {
  const { items: sites } = await context.client.list(sitePages, (page) => page.sites);
  const { items: tasks } = await context.client.list(taskPages, (page) => page.tasks);
  const plan = planApply(declared, { sites, tasks });
  const isJson = options.json === true;
  const isDryRun = options.dryRun === true;
  const planText = plan.map((act) => describeAct(act, options)).join('\n');
  const refused = plan.filter(({ action }) => action === 'refuse');
  if (isDryRun || refused.length > 0) {
    context.show({ dryRun: isDryRun, done: false, outcomes: plan.map(outcomeOf) }, planText);
  } else {
    if (!isJson) context.environment.print(planText);
    await actOn(context, plan, options);
  }
  if (refused.length > 0) throw refusalOf(refused);
}

/** Do it, one after the other; where it stops half way, what was done is told all the same. */
async function actOn(
  context: AdminContext,
  plan: readonly PlannedAct[],
  options: ApplyOptions,
): Promise<void> {
  const outcomes: Outcome[] = [];
  let isDone = false;
  try {
    for (const act of plan) {
      outcomes.push(await actOnOne(context, act, options));
    }
    isDone = true;
  } finally {
    if (options.json === true) context.show({ dryRun: false, done: isDone, outcomes }, '');
  }
}

async function actOnOne(
  context: AdminContext,
  act: PlannedAct,
  { start, siteUrl, json }: ApplyOptions,
): Promise<Outcome> {
  const { client, environment } = context;
  const tell = (line: string): void => {
    if (json !== true) environment.print(line);
  };
  if (act.action === 'invite') {
    const body = { site: act.name, ...(siteUrl === undefined ? {} : { url: siteUrl }) };
    const { code, expiresAtMs } = await client.send(
      request('POST', '/v1/sites', invitationViewSchema, { body }),
    );
    const until = formatTime(expiresAtMs, environment.nowMs());
    tell(`site ${act.name} is invited; its code works once, until ${until}:\n${code}`);
    return { ...act, code, expiresAtMs };
  }
  if (act.action === 'create') {
    const query = { start: start ? 'true' : 'false' } as const;
    const view = await client.send(
      request('POST', '/v1/tasks', taskViewSchema, { query, body: act.definition }),
    );
    tell(`task ${act.name} is ${view.status}`);
  }
  return outcomeOf(act);
}

function outcomeOf(act: PlannedAct): Outcome {
  if (act.action !== 'create') return act;
  const { definition: _, ...rest } = act;
  return rest;
}

function describeAct(act: PlannedAct, { start }: ApplyOptions): string {
  const where = `${act.kind} ${act.name}`;
  if (act.action === 'unchanged') return `${where}: unchanged (${act.status})`;
  if (act.action === 'invite') return `${where}: invite`;
  if (act.action === 'refuse') {
    return `${where}: refused\n${act.problems.map((problem) => `  ${problem}`).join('\n')}`;
  }
  const { members, rounds } = act.definition;
  const what = start ? 'create and start' : 'create without starting';
  return `${where}: ${what}, ${rounds} rounds with ${members.join(', ')}`;
}

function refusalOf(refused: readonly PlannedAct[]): StateError {
  const names = refused.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  return new StateError(
    'STATE_CONFLICT',
    `apply: expected what is not there or is the same, ${names} cannot be made so; nothing was done, take them out of the file or give them new names`,
  );
}
