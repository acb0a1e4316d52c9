/** `melo admin adapters`: versions, their lineage, and the file itself with its digest checked. */
import type { Command } from 'commander';
import { request } from '#api';
import { InputError } from '#core/errors';
import { registryRoutes, versionDetailSchema } from '../registry/registry.contract.ts';
import { taskViewSchema } from '../tasks/tasks.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { addDownloadCommand } from './download-command.ts';
import { moreHint, wantedOf, withLimit, type ListOptions } from './list-options.ts';
import { revisionOf, withRevision, type RevisionOptions } from './revision-option.ts';
import { chooseVersion, describeLeft, standingOf } from './versions-text.ts';
import { formatBytes, formatPairs, formatTable, formatTime } from './text.ts';

type VersionsOptions = ListOptions & { readonly newest?: true };
type PromoteOptions = RevisionOptions & { readonly none?: true; readonly reason?: string };

const byDefault =
  'VERSION is a number, "latest" or "promoted"; by default the promoted one, the latest where none is';

/** Add the commands of adapters to `admin`. */
export function addAdaptersCommands(admin: Command, environment: AdminEnvironment): void {
  const adapters = admin.command('adapters').description('published versions of the adapters');
  const add = (name: string, description: string) =>
    withConnection(adapters.command(name).description(description), environment);

  withLimit(add('list <task>', 'list the versions of a task, oldest first'))
    .option('--newest', 'newest first')
    .action((task: string, options: VersionsOptions) =>
      runAdmin(options, environment, (context) => listVersions(context, task, options)),
    );
  add('show <task> [version]', `show a version: card, digest, lineage; ${byDefault}`).action(
    (task: string, version: string | undefined, options: ConnectionOptions) =>
      runAdmin(options, environment, (context) => showVersion(context, task, version)),
  );
  withRevision(add('promote <task> [version]', 'say which version people should use'))
    .option('--none', 'take back what was promoted')
    .option('--reason <text>', 'why; it stays in the record')
    .action((task: string, version: string | undefined, options: PromoteOptions) =>
      runAdmin(options, environment, (context) => promoteVersion(context, task, version, options)),
    );
  addDownloadCommand(add, environment, byDefault);
}

async function listVersions(
  context: AdminContext,
  task: string,
  options: VersionsOptions,
): Promise<void> {
  const order = options.newest === true ? 'newest' : 'oldest';
  const { items: versions, hasMore } = await context.client.list(
    (cursor) =>
      request('GET', '/v1/tasks/{task}/versions', registryRoutes.list.response, {
        path: { task },
        query: { order, cursor },
      }),
    (page) => page.versions,
    wantedOf(options),
  );
  const nowMs = context.environment.nowMs();
  const rows = versions.map((version) => [
    String(version.version),
    version.round === null
      ? 'public seed'
      : `version ${version.baseVersion ?? 0} by round ${version.round}, attempt ${version.attempt ?? 1}`,
    version.isPromoted || version.isLatest ? standingOf(version) : '',
    describeLeft(version),
    formatTime(version.createdAtMs, nowMs),
    formatBytes(version.adapterBytes),
    version.adapterDigest,
  ]);
  context.show(
    { versions, hasMore },
    formatTable(
      ['VERSION', 'FROM', 'STANDING', 'WITH A SHARE OF', 'PUBLISHED', 'SIZE', 'DIGEST'],
      rows,
    ),
  );
  if (hasMore) context.hint(moreHint);
}

async function showVersion(context: AdminContext, task: string, version: string | undefined) {
  const number = (await chooseVersion(context, task, version)).version;
  const path = { task, version: number };
  const detail = await context.client.send(
    request('GET', '/v1/tasks/{task}/versions/{version}', versionDetailSchema, { path }),
  );
  const nowMs = context.environment.nowMs();
  const facts = formatPairs([
    ['version', String(detail.version)],
    ['standing', standingOf(detail)],
    ['has a share of', describeLeft(detail)],
    ['starts from', detail.baseVersion === null ? 'public seed' : `version ${detail.baseVersion}`],
    ['published', formatTime(detail.createdAtMs, nowMs)],
    ['size', formatBytes(detail.adapterBytes)],
    ['digest', detail.adapterDigest],
    ['result digest', detail.resultDigest ?? ''],
    ['previous result', detail.resultPayload?.previousResultDigest ?? ''],
  ]);
  context.show(detail, `${facts}\n\ncard\n${JSON.stringify(detail.card, null, 2)}`);
  context.hint(`next: melo admin adapters download ${task} ${number}`);
}

async function promoteVersion(
  context: AdminContext,
  task: string,
  version: string | undefined,
  options: PromoteOptions,
): Promise<void> {
  const { none, reason } = options;
  if ((version === undefined) !== (none === true)) {
    throw new InputError('USAGE', 'adapters promote: expected a version, or --none; see --help');
  }
  const number =
    version === undefined ? null : (await chooseVersion(context, task, version)).version;
  const why = reason === undefined ? {} : { reason };
  const view = await context.client.send(
    request('POST', '/v1/tasks/{task}/promote', taskViewSchema, {
      path: { task },
      body: { version: number, ...why, ...revisionOf(options) },
    }),
  );
  const { promotedVersion, latestVersion } = view;
  const promoted = promotedVersion === null ? 'no version' : `version ${promotedVersion}`;
  context.show(view, `${task}: ${promoted} is promoted, version ${latestVersion} is the latest`);
}
