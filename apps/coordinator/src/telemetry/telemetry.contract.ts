/** The route that Prometheus reads. */
import { z } from 'zod';
import { defineRoute, readRoles } from '../common/contract.ts';

/** The route that Prometheus reads. */
export const telemetryRoutes = {
  metrics: defineRoute({
    method: 'GET',
    path: '/metrics',
    summary:
      "Tell the figures of docs/telemetry.md in Prometheus's text format; on the coordinator's own machine without signing in",
    roles: readRoles,
    isOpenOnThisMachine: true,
    response: z.unknown(),
    mediaType: 'text/plain',
  }),
} as const;
