/**
 * What a REST route is: one object that feeds the parsing of requests, the check of answers, the OpenAPI document and the
 * test of authorisation. No Nest in here, so that clients import the same objects.
 */
import { z } from 'zod';
import { jsonEnvelopeSchema, siteIdSchema, taskIdSchema } from '#core/protocol';

/** Who may call: roles of people. */
export const roleSchema = z.enum(['administrator', 'scientist', 'steward', 'viewer']);
/** A role of a person. */
export type Role = z.infer<typeof roleSchema>;

/** One REST route. `roles: 'public'` is the explicit mark of a route without authorisation. */
export interface RouteContract<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Response extends z.ZodType = z.ZodType,
> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Path with `:name` for each parameter. */
  readonly path: `/v1/${string}`;
  readonly summary: string;
  readonly roles: 'public' | readonly Role[];
  readonly params: Params;
  readonly query: Query;
  /** What a POST carries; an empty object for a GET. */
  readonly body: Body;
  /** JSON answered, or `binary` below. */
  readonly response: Response;
  /** HTTP status of success. */
  readonly status: number;
  /** Media type of an answer that is not JSON; `response` is then not used. */
  readonly mediaType?: string;
}

const nothing = z.strictObject({});
type Nothing = typeof nothing;

/** Define a route; what is left out is empty. */
export function defineRoute<
  Response extends z.ZodType,
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = Nothing,
>(route: {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: `/v1/${string}`;
  readonly summary: string;
  readonly roles: 'public' | readonly Role[];
  readonly response: Response;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly status?: number;
  readonly mediaType?: string;
}): RouteContract<Params | Nothing, Query | Nothing, Body | Nothing, Response> & {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
};
export function defineRoute(
  route: Omit<RouteContract, 'params' | 'query' | 'body' | 'status'> & Partial<RouteContract>,
): RouteContract {
  return { params: nothing, query: nothing, body: nothing, status: 200, ...route };
}

/** The parsed request of a route. */
export interface RouteInput<Contract extends RouteContract> {
  readonly params: z.infer<Contract['params']>;
  readonly query: z.infer<Contract['query']>;
  readonly body: z.infer<Contract['body']>;
}
/** What a route answers. */
export type RouteOutput<Contract extends RouteContract> = z.infer<Contract['response']>;

/** Roles of a route that changes something. */
export const commandRoles: readonly Role[] = ['administrator'];
/** Roles of a route that only reads. */
export const readRoles: readonly Role[] = ['administrator', 'scientist', 'steward', 'viewer'];

/** Path parameters of a site. */
export const siteParams = z.strictObject({ site: siteIdSchema });
/** Path parameters of a task. */
export const taskParams = z.strictObject({ task: taskIdSchema });
/** A whole number in a path or a query. */
export const pathNumber = (minimum: number, maximum: number): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().int().min(minimum).max(maximum));

/** A reason that an administrator gives. */
export const reasonBody = z.strictObject({ reason: z.string().min(1).max(500) });
/** Wall time in answers: milliseconds since 1970-01-01T00:00:00Z. */
export const timeMs = z.number().int();
/** A signed envelope in answers, both parts in base64. */
export const envelopeView = jsonEnvelopeSchema;

/** The body of every refusal over REST. */
export const errorBodySchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  correlationId: z.string(),
});
