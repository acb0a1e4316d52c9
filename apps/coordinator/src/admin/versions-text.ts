/** How versions are named by people and written for them. */
import { InputError } from '#core/errors';
import { registryRoutes, type VersionView } from '../registry/registry.contract.ts';
import type { AdminContext } from './admin-command.ts';

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
    return context.client.call(registryRoutes.get, { params: { task, version } });
  }
  const { items: versions } = await context.client.list(
    registryRoutes.list,
    (answer) => answer.versions,
    { params: { task }, query: { order: 'newest' } },
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
