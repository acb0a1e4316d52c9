/** `melo admin audit`: what happened, and the whole log as a file that anybody can verify. */
import type { Command } from 'commander';
import { request, targetOf } from '#api';
import { StateError } from '#core/errors';
import { auditRoutes } from '../audit/audit.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { moreHint, wantedOf } from './list-options.ts';
import { formatBytes, formatTable, formatTime } from './text.ts';

type ListOptions = ConnectionOptions & {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly limit: string;
  readonly oldest?: true;
};
type ExportOptions = ConnectionOptions & { readonly force?: true };

/** Add the commands of the audit log to `admin`. */
export function addAuditCommands(admin: Command, environment: AdminEnvironment): void {
  const audit = admin.command('audit').description('what happened, by whom, in one hash chain');
  const add = (name: string, description: string) =>
    withConnection(audit.command(name).description(description), environment);

  add('list', 'list what happened, newest first; a last * stands for anything')
    .option('--actor <text>', 'who, e.g. site:north')
    .option('--action <text>', 'what, e.g. round.*')
    .option('--target <text>', 'to what, e.g. task:breast')
    .option('--limit <number>', 'entries at most', '50')
    .option('--oldest', 'oldest first')
    .action((options: ListOptions) =>
      runAdmin(options, environment, (context) => listEntries(context, options)),
    );
  add('head', 'tell how far the chained log goes and its last link').action(
    (options: ConnectionOptions) =>
      runAdmin(options, environment, async (context) => {
        const head = await context.client.send(
          request('GET', '/v1/audit/head', auditRoutes.head.response),
        );
        context.show(head, `entry ${head.sequence}, link ${head.linkDigest}`);
      }),
  );
  add('export <file>', 'write the whole log to a file, for `melo audit verify`')
    .option('--force', 'replace a file that is there')
    .action((file: string, options: ExportOptions) =>
      runAdmin(options, environment, (context) => exportLog(context, file, options)),
    );
}

async function listEntries(context: AdminContext, options: ListOptions): Promise<void> {
  const { actor, action, target } = options;
  const query = {
    order: options.oldest === true ? 'oldest' : 'newest',
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(target === undefined ? {} : { target }),
  } as const;
  const { items: entries, hasMore } = await context.client.list(
    (cursor) =>
      request('GET', '/v1/audit', auditRoutes.list.response, { query: { ...query, cursor } }),
    (page) => page.entries,
    wantedOf(options),
  );
  const answer = { entries, hasMore };
  if (entries.length === 0) {
    context.show(answer, 'nothing of that kind has happened yet');
    return;
  }
  const nowMs = context.environment.nowMs();
  const rows = entries.map((entry) => [
    entry.sequence === null ? 'soon' : String(entry.sequence),
    formatTime(entry.atMs, nowMs),
    entry.actor,
    entry.action,
    entry.target,
    JSON.stringify(entry.details),
  ]);
  context.show(answer, formatTable(['ENTRY', 'AT', 'WHO', 'WHAT', 'TO WHAT', 'DETAILS'], rows));
  if (hasMore) context.hint(`${moreHint}, or the filters`);
}

async function exportLog(
  context: AdminContext,
  file: string,
  { force }: ExportOptions,
): Promise<void> {
  const { environment, client } = context;
  if (force !== true && (await environment.doesExist(file))) {
    throw new StateError(
      'ALREADY_EXISTS',
      `audit export: expected a new file, got ${file}, which is there; name another or add --force`,
    );
  }
  const bytes = await environment.receive(file, client.stream(targetOf('/v1/audit/export')));
  context.show({ file, bytes }, `${file}: ${formatBytes(bytes)}`);
  context.hint(`next: melo audit verify ${file} --key FINGERPRINT`);
}
