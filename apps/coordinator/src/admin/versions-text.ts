/** How versions are named by people and written for them. */
import { request } from '#api';
import { InputError } from '#core/errors';
import {
  registryRoutes,
  versionDetailSchema,
  type VersionView,
} from '../registry/registry.contract.ts';
import type { AdminContext } from './admin-command.ts';
import { parseNumber } from './text.ts';

/** What a version is told to be used for. */
export function standingOf({ isPromoted, isLatest }: VersionView): string {
  if (isPromoted) return isLatest ? 'promoted, latest' : 'promoted';
  return isLatest ? 'latest' : 'neither promoted nor latest';
}

/** Sites that left and have a share of it; an empty text for none. */
export function describeLeft({ leftSites }: VersionView): string {
  return leftSites.length === 0 ? '' : `${leftSites.join(', ')}, which left`;
}

/** Find a version by its number or its standing; the promoted one where nothing is said, else the latest. */
export async function chooseVersion(
  context: AdminContext,
  task: string,
  version: string | undefined,
): Promise<VersionView> {
  if (version !== undefined && version !== 'latest' && version !== 'promoted') {
    const path = { task, version: parseNumber('version', version) };
    return context.client.send(
      request('GET', '/v1/tasks/{task}/versions/{version}', versionDetailSchema, { path }),
    );
  }
  const { items: versions } = await context.client.list(
    (cursor) =>
      request('GET', '/v1/tasks/{task}/versions', registryRoutes.list.response, {
        path: { task },
        query: { order: 'newest', cursor },
      }),
    (page) => page.versions,
  );
  const promoted = versions.find(({ isPromoted }) => isPromoted);
  const latest = versions.find(({ isLatest }) => isLatest);
  const found =
    version === 'promoted' ? promoted : version === 'latest' ? latest : (promoted ?? latest);
  if (found !== undefined) return found;
  throw new InputError(
    'NOT_FOUND',
    `${task}: expected a ${version ?? 'latest'} version, there is none; see melo admin adapters list ${task}`,
  );
}
