/** REST route of backups. */
import { z } from 'zod';
import { commandRoles, defineRoute } from '../common/contract.ts';

/** REST route of backups. */
export const backupRoutes = {
  download: defineRoute({
    method: 'GET',
    path: '/v1/backup',
    summary:
      'Make a backup of this moment and send it as a tar, signed at its end; no key is in it',
    roles: commandRoles,
    scope: 'everything',
    response: z.unknown(),
    mediaType: 'application/x-tar',
    refusals: ['STATE_CONFLICT', 'DISK_LOW', 'DISK_FULL'],
  }),
} as const;
