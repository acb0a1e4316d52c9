/** REST routes of operations: draining before an upgrade, room on the disk, what is stored for how long. */
import { z } from 'zod';
import {
  attemptSchema,
  memberStatusSchema,
  roundNumberSchema,
  roundPhaseSchema,
  siteIdSchema,
  taskIdSchema,
} from '#core/protocol';
import { commandRoles, defineRoute, readRoles, timeMs } from '../common/contract.ts';

/** Why no round opens now although tasks run. */
export const openingRefusalSchema = z.strictObject({
  code: z.enum(['DRAINING', 'DISK_LOW']),
  message: z.string(),
});
/** Why no round opens now although tasks run. */
export type OpeningRefusal = z.infer<typeof openingRefusalSchema>;

/** Room on the disk of the data folder, in bytes. */
export const diskViewSchema = z.strictObject({
  freeBytes: z.number(),
  /** Below so many free bytes no round opens and no new upload is taken. */
  reserveBytes: z.number(),
  isLow: z.boolean(),
});
/** Room on the disk of the data folder, in bytes. */
export type DiskView = z.infer<typeof diskViewSchema>;

/** An open round that a drain awaits. */
export const awaitedRoundSchema = z.strictObject({
  task: taskIdSchema,
  round: roundNumberSchema,
  attempt: attemptSchema,
  phase: roundPhaseSchema,
  deadlineAtMs: timeMs,
  /** When it ends if it takes as long as the round before; null where that is not known or has passed. */
  expectedEndAtMs: timeMs.nullable(),
  /** Members that have neither reported nor dropped out. */
  members: z.array(z.strictObject({ site: siteIdSchema, status: memberStatusSchema })),
});

/** An upload after its round's end that is still coming in. */
export const awaitedUploadSchema = z.strictObject({
  site: siteIdSchema,
  task: taskIdSchema,
  round: roundNumberSchema,
});

/** Where a drain stands. */
export const drainViewSchema = z.strictObject({
  /** `drained` is the last word: the process ends then. */
  status: z.enum(['serving', 'draining', 'drained']),
  sinceMs: timeMs.nullable(),
  rounds: z.array(awaitedRoundSchema),
  lateUploads: z.array(awaitedUploadSchema),
});
/** Where a drain stands. */
export type DrainView = z.infer<typeof drainViewSchema>;

/** REST routes of operations. */
export const operationsRoutes = {
  status: defineRoute({
    method: 'GET',
    path: '/v1/operations',
    summary: 'Tell how the coordinator is run: drain, disk, quotas, retention',
    roles: readRoles,
    response: z.strictObject({
      drain: drainViewSchema,
      disk: diskViewSchema,
      /** Milliseconds that uploads and the round's key are kept after a round settled. */
      retentionMs: z.number(),
      uploads: z.strictObject({
        /** Bytes of uploads whose retention has not ended. */
        bytes: z.number(),
        quotaBytes: z.number().nullable(),
        siteQuotaBytes: z.number().nullable(),
        sites: z.array(z.strictObject({ site: siteIdSchema, bytes: z.number() })),
      }),
    }),
  }),
  drainView: defineRoute({
    method: 'GET',
    path: '/v1/drain',
    summary: 'Tell where a drain stands and what it awaits',
    roles: readRoles,
    response: drainViewSchema,
  }),
  drain: defineRoute({
    method: 'POST',
    path: '/v1/drain',
    summary: 'Finish the open rounds, open none, then end the process',
    roles: commandRoles,
    response: drainViewSchema,
  }),
  cancelDrain: defineRoute({
    method: 'POST',
    path: '/v1/drain/cancel',
    summary: 'Drain no more: rounds open again',
    roles: commandRoles,
    response: drainViewSchema,
  }),
} as const;
