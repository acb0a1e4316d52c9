/** `melo admin adapters`: versions, their lineage, and the file itself with its digest checked. */
import type { Command } from 'commander';
import { adapterDigest } from '#core/adapter';
import { InputError, ProtocolError, StateError } from '#core/errors';
import { registryRoutes, type VersionView } from '../registry/registry.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { formatBytes, formatPairs, formatTable, formatTime } from './text.ts';

type DownloadOptions = ConnectionOptions & { readonly out?: string; readonly force?: true };

/** Add the commands of adapters to `admin`. */
export function addAdaptersCommands(admin: Command, environment: AdminEnvironment): void {
  const adapters = admin.command('adapters').description('published versions of the adapters');
  const add = (name: string, description: string) =>
    withConnection(adapters.command(name).description(description), environment);

  add('list <task>', 'list the versions of a task, oldest first').action(
    (task: string, options: ConnectionOptions) =>
      runAdmin(options, environment, (context) => listVersions(context, task)),
  );
  add(
    'show <task> [version]',
    'show a version: card, digest, lineage; the newest by default',
  ).action((task: string, version: string | undefined, options: ConnectionOptions) =>
    runAdmin(options, environment, (context) => showVersion(context, task, version)),
  );
  add('download <task> [version]', 'fetch the adapter file; the newest version by default')
    .option('--out <file>', 'where to write it; TASK-vVERSION.safetensors by default')
    .option('--force', 'write over a file that is there')
    .action((task: string, version: string | undefined, options: DownloadOptions) =>
      runAdmin(options, environment, (context) =>
        downloadVersion(context, { task, version }, options),
      ),
    );
}

async function listVersions(context: AdminContext, task: string): Promise<void> {
  const answer = await context.client.call(registryRoutes.list, { params: { task } });
  const nowMs = context.environment.nowMs();
  const rows = answer.versions.map((version) => [
    String(version.version),
    version.round === null
      ? 'public seed'
      : `round ${version.round}, attempt ${version.attempt ?? 1}`,
    formatTime(version.createdAtMs, nowMs),
    formatBytes(version.adapterBytes),
    version.adapterDigest,
  ]);
  context.show(answer, formatTable(['VERSION', 'FROM', 'PUBLISHED', 'SIZE', 'DIGEST'], rows));
}

async function showVersion(context: AdminContext, task: string, version: string | undefined) {
  const number = version ?? String((await newestVersion(context, task)).version);
  const params = { task, version: number };
  const detail = await context.client.call(registryRoutes.get, { params });
  const nowMs = context.environment.nowMs();
  const facts = formatPairs([
    ['version', String(detail.version)],
    ['published', formatTime(detail.createdAtMs, nowMs)],
    ['size', formatBytes(detail.adapterBytes)],
    ['digest', detail.adapterDigest],
    ['result digest', detail.resultDigest ?? ''],
    ['previous result', detail.resultPayload?.previousResultDigest ?? ''],
  ]);
  context.show(detail, `${facts}\n\ncard\n${JSON.stringify(detail.card, null, 2)}`);
  context.hint(`next: melo admin adapters download ${task} ${number}`);
}

async function downloadVersion(
  context: AdminContext,
  { task, version }: { readonly task: string; readonly version: string | undefined },
  options: DownloadOptions,
): Promise<void> {
  const { environment, client } = context;
  const chosen = await chooseVersion(context, task, version);
  const params = { task, version: String(chosen.version) };
  const out = options.out ?? `${task}-v${chosen.version}.safetensors`;
  if (options.force !== true && (await environment.doesExist(out))) {
    throw new StateError(
      'ALREADY_EXISTS',
      `--out: expected a new file, got ${out}, which is there; name another or add --force`,
    );
  }
  const bytes = await client.download(registryRoutes.download, { params }, chosen.adapterBytes);
  const digest = adapterDigest(bytes);
  if (digest !== chosen.adapterDigest) {
    throw new ProtocolError(
      'DIGEST_MISMATCH',
      `${task} version ${chosen.version}: expected digest ${chosen.adapterDigest}, got ${digest}; nothing was written, try again`,
    );
  }
  await environment.writeWhole(out, bytes);
  context.show(
    { file: out, version: chosen.version, digest, bytes: bytes.length },
    `${out}: version ${chosen.version}, ${formatBytes(bytes.length)}, digest ${digest} (checked)`,
  );
  context.hint(`next: melo adapter show ${out}`);
}

async function chooseVersion(
  context: AdminContext,
  task: string,
  version: string | undefined,
): Promise<VersionView> {
  if (version === undefined) return newestVersion(context, task);
  return context.client.call(registryRoutes.get, { params: { task, version } });
}

async function newestVersion(context: AdminContext, task: string): Promise<VersionView> {
  const { versions } = await context.client.call(registryRoutes.list, { params: { task } });
  const newest = versions.at(-1);
  if (newest !== undefined) return newest;
  throw new InputError(
    'NOT_FOUND',
    `${task}: expected a version, there is none; see melo admin tasks show ${task}`,
  );
}
