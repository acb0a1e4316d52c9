/** REST routes by which the API explains itself. */
import { z } from 'zod';
import { anyJsonObject, defineRoute } from '../common/contract.ts';

/** What one code of a refusal means. */
export const errorViewSchema = z.strictObject({
  code: z.string(),
  /** Who is at fault. */
  family: z.string(),
  httpStatus: z.number().int(),
  /** Whether the same request may succeed later without being changed. */
  retryable: z.boolean(),
  /** The sentence that every refusal with this code has as its title. */
  title: z.string(),
  /** Where the documentation has it. */
  page: z.string(),
});

/** REST routes by which the API explains itself. */
export const apiRoutes = {
  openapi: defineRoute({
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This description, in OpenAPI 3.1',
    roles: 'public',
    response: anyJsonObject,
  }),
  error: defineRoute({
    method: 'GET',
    path: '/v1/errors/:code',
    summary: 'Explain the code of a refusal; its `type` leads here',
    roles: 'public',
    params: z.strictObject({
      code: z
        .string()
        .regex(/^[A-Z0-9_]{1,64}$/, 'expected a code')
        .describe('A code, such as ROUND_CLOSED.'),
    }),
    response: errorViewSchema,
  }),
} as const;
