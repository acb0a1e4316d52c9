/** REST route of health. */
import { z } from 'zod';
import { federationIdSchema } from '#core/protocol';
import { defineRoute } from '../common/contract.ts';
import { diskViewSchema } from '../operations/operations.contract.ts';

/** How the coordinator does. */
export const healthSchema = z.strictObject({
  status: z.enum(['ok', 'unavailable']),
  version: z.string(),
  protocol: z.string(),
  federation: federationIdSchema,
  /** Fingerprint of the signing key that sites pin. */
  coordinatorFingerprint: z.string(),
  database: z.enum(['ok', 'unavailable']),
  databaseKind: z.enum(['pglite', 'postgresql']),
  uptimeSeconds: z.number(),
  connectedSites: z.number().int(),
  /** It finishes the open rounds, opens none and ends then. */
  isDraining: z.boolean(),
  disk: diskViewSchema,
});

/** REST route of health. */
export const healthRoutes = {
  health: defineRoute({
    method: 'GET',
    path: '/v1/health',
    summary: 'Tell whether the coordinator and its database work; 503 where not',
    roles: 'public',
    response: healthSchema,
    otherStatus: 503,
  }),
} as const;
