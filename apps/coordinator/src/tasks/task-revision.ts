/**
 * What two people could undo of each other in a task: which version is promoted, how far it goes, its schedule, whether it is held. Training
 * itself changes none of it, so whoever looked before a round was published is not refused for that.
 */
import { toHex, utf8 } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { StateError } from '#core/errors';
import type { TaskRecord } from './task-store.ts';

/** Statuses that a person gave; the others come by themselves. */
const givenStatuses: readonly string[] = ['created', 'paused', 'cancelled'];

/** A short word for the settings of a task as they are now. */
export function revisionOf(record: TaskRecord): string {
  const { promotedVersion, finalVersion, schedule, status } = record;
  const held = givenStatuses.includes(status) ? status : null;
  const settings = [promotedVersion, finalVersion, schedule?.setAtMs ?? null, held];
  return toHex(blake2b256(utf8(JSON.stringify(settings)))).slice(0, 16);
}

/**
 * Refuse a change of settings that somebody else changed since they were looked at.
 *
 * @throws StateError STATE_CONFLICT
 */
export function checkRevision(record: TaskRecord, ifRevision: string | undefined): void {
  if (ifRevision === undefined || ifRevision === revisionOf(record)) return;
  const { task, status, promotedVersion } = record;
  throw new StateError(
    'STATE_CONFLICT',
    `task ${task}: expected it as it was looked at, somebody changed it meanwhile: it is ${status}, ${promotedVersion === null ? 'no version' : `version ${promotedVersion}`} is promoted; nothing was done, look at GET /v1/tasks/${task} again and decide anew`,
    { status },
  );
}
