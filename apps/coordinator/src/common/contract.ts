/**
 * What a REST route is: one object that feeds the parsing of requests, the check of answers, the OpenAPI document and the
 * test of authorisation. No Nest in here, so that clients import the same objects.
 */
import { z } from 'zod';
import { assert, type ErrorCode } from '#core/errors';
import { jsonEnvelopeSchema, siteIdSchema, taskIdSchema, type SiteId } from '#core/protocol';

/** Who may call: roles of people. */
export const roleSchema = z.enum(['administrator', 'scientist', 'steward', 'viewer']);
/** A role of a person. */
export type Role = z.infer<typeof roleSchema>;

/** A role that sees the whole federation; a steward sees one site. */
export type FederationRole = Exclude<Role, 'steward'>;

/** What an API token may be good for; `everything` is the scope of routes that name no other. */
export const scopeSchema = z.enum(['read', 'tasks', 'sites', 'people', 'audit', 'everything']);
/** What an API token may be good for. */
export type Scope = z.infer<typeof scopeSchema>;

/** Where routes lie; Prometheus has a place of its own. */
export type RoutePath = `/v1/${string}` | '/metrics';

/** One REST route. `roles: 'public'` is the explicit mark of a route without authorisation. */
export interface RouteContract<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Response extends z.ZodType = z.ZodType,
> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Path with `:name` for each parameter. */
  readonly path: RoutePath;
  readonly summary: string;
  readonly roles: 'public' | readonly Role[];
  /** Scope that an API token needs, unless it has `everything`. */
  readonly scope: Scope;
  /** Whether somebody may call it whose account still has its password or its second factor to set. */
  readonly isForSetup: boolean;
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
  /**
   * Narrow an answer to what the steward of a site may see. A route without this is closed to stewards; on one with it a site
   * in the path must be the steward's own, and a task one that the site is a member of.
   */
  forSteward?(answer: z.output<Response>, site: SiteId): z.output<Response>;
  /** Whether who asks on the coordinator's own machine needs no role. */
  readonly isOpenOnThisMachine?: true;
  /** A status beside `status` that carries the same answer, as 503 does of health. */
  readonly otherStatus?: number;
  /** Headers of a success and what each says. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Codes it may refuse with beside those of every route of its form (`refusals.ts`). */
  readonly refusals?: readonly ErrorCode[];
}

/** An empty object. */
export const nothing = z.strictObject({});
type Nothing = typeof nothing;

/** Define a route; what is left out is empty. */
export function defineRoute<
  Response extends z.ZodType,
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = Nothing,
>(route: {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: RoutePath;
  readonly summary: string;
  /** Stewards are added by `forSteward`. */
  readonly roles: 'public' | readonly FederationRole[];
  /** `read` for a GET, `everything` otherwise where it is left out. */
  readonly scope?: Scope;
  readonly isForSetup?: boolean;
  readonly response: Response;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  readonly status?: number;
  readonly mediaType?: string;
  forSteward?(answer: z.output<Response>, site: SiteId): z.output<Response>;
  readonly isOpenOnThisMachine?: true;
  readonly otherStatus?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly refusals?: readonly ErrorCode[];
}): RouteContract<Params | Nothing, Query | Nothing, Body | Nothing, Response> & {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
};
export function defineRoute(
  route: Pick<RouteContract, 'method' | 'path' | 'summary' | 'roles' | 'response'> &
    Partial<RouteContract>,
): RouteContract {
  const { roles, forSteward, mediaType, method } = route;
  const isClosed = forSteward === undefined || roles === 'public';
  assert(isClosed || mediaType === undefined, `${route.path}: bytes cannot be narrowed`);
  const scope = method === 'GET' ? 'read' : 'everything';
  const empty = { params: nothing, query: nothing, body: nothing };
  const common = { scope, isForSetup: false, status: 200 } as const;
  return { ...empty, ...common, ...route, roles: isClosed ? roles : [...roles, 'steward'] };
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
export const commandRoles: readonly FederationRole[] = ['administrator'];
/** Roles of a route of training: tasks, evaluations, adapters. */
export const scienceRoles: readonly FederationRole[] = ['administrator', 'scientist'];
/** Roles of a route that only reads. */
export const readRoles: readonly FederationRole[] = ['administrator', 'scientist', 'viewer'];

/** For `forSteward` of a route that answers about the caller alone. */
export const ownAnswer = <Answer>(answer: Answer): Answer => answer;

/** Path parameters of a site. */
export const siteParams = z.strictObject({ site: siteIdSchema.describe('Name of a site.') });
/** Path parameters of a task. */
export const taskParams = z.strictObject({ task: taskIdSchema.describe('Name of a task.') });
/** A whole number in a path or a query. */
export const pathNumber = (
  minimum: number,
  maximum: number,
  description: string,
): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().int().min(minimum).max(maximum))
    .meta({ description, type: 'integer', minimum, maximum });

/** Text of a person on its way to the database, which cannot store U+0000. */
export const plainText = (lengthMax: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(lengthMax)
    .regex(new RegExp('^[^\\u0000]*$'), 'expected text without U+0000');

/** A reason that an administrator gives. */
export const reasonBody = z.strictObject({ reason: plainText(500) });
/** Wall time in answers: milliseconds since 1970-01-01T00:00:00Z. */
export const timeMs = z.number().int();
/** Any JSON, as in the details of an entry of the audit log. */
export const anyJson = z.json();
/** A JSON object of any content. */
export const anyJsonObject = z.record(z.string(), anyJson);
/** A signed envelope in answers, both parts in base64. */
export const envelopeView = jsonEnvelopeSchema;

/** Media type of every refusal over REST. */
export const problemMediaType = 'application/problem+json';

/** The body of every refusal over REST: RFC 9457 with members of our own. */
export const problemSchema = z.strictObject({
  /** Where the coordinator itself explains the code. */
  type: z.string().regex(/^\/v1\/errors\/[A-Z0-9_]+$/),
  /** What the code means, the same every time. */
  title: z.string(),
  status: z.number().int().min(400).max(599),
  /** What was expected here, what came and what to do next. */
  detail: z.string(),
  /** This one refusal: `urn:uuid:` and the correlation id. */
  instance: z.string().regex(/^urn:uuid:[0-9a-f-]{36}$/),
  code: z.string(),
  /** Whether the same request may succeed later without being changed. */
  retryable: z.boolean(),
  /** Leads to the line in the coordinator's log. */
  correlationId: z.uuid(),
  /** The same as `detail`: what agents of 0.1.0 read. */
  message: z.string(),
});
/** The body of every refusal over REST. */
export type Problem = z.infer<typeof problemSchema>;
