/** REST routes of requests for evaluations: any version, on every site's held-out images, beside the rounds. */
import { z } from 'zod';
import {
  adapterVersionSchema,
  evaluationDeadlineMsDefault,
  evaluationDeadlineMsSchema,
  evaluationRequestIdSchema,
  evaluationStateSchema,
  limits,
  requestSubjectSchema,
  siteIdSchema,
  taskIdSchema,
  type SiteId,
} from '#core/protocol';
import {
  defineRoute,
  readRoles,
  reasonBody,
  scienceRoles,
  taskParams,
  timeMs,
} from '../common/contract.ts';
import { keyBig, keyText, nextCursor, pageQuery } from '../common/pages.contract.ts';

/** One version at one site. */
export const evaluationItemSchema = z.strictObject({
  version: adapterVersionSchema,
  site: siteIdSchema,
  state: evaluationStateSchema,
  /** Of `declined` and `lost`: why. */
  code: z.string().nullable(),
  reason: z.string().nullable(),
  changedAtMs: timeMs,
});
/** One version at one site. */
export type EvaluationItem = z.infer<typeof evaluationItemSchema>;

/** One request for evaluations. */
export const evaluationRequestViewSchema = z.strictObject({
  request: evaluationRequestIdSchema,
  task: taskIdSchema,
  /**
   * `baseline`: what each site trains alone, which the task itself asks for; `baseline-upload`: its adapter; `cross`: such an adapter of
   * one site, the owner.
   */
  subject: requestSubjectSchema,
  /** Of `cross`: the site that trained the adapter. */
  owner: siteIdSchema.nullable(),
  reason: z.string().nullable(),
  requestedAtMs: timeMs,
  deadlineAtMs: timeMs,
  /** Null while a site is waited for. */
  closedAtMs: timeMs.nullable(),
  /** In a sentence: how many are done, and every site that is not, with its reason. */
  summary: z.string(),
  items: z.array(evaluationItemSchema),
});
/** One request for evaluations. */
export type EvaluationRequestView = z.infer<typeof evaluationRequestViewSchema>;

const distinct = (items: readonly (string | number)[]): boolean =>
  new Set(items).size === items.length;

/** What an administrator asks for. */
export const evaluationRequestBody = z.strictObject({
  versions: z
    .array(adapterVersionSchema)
    .min(1)
    .max(limits.evaluationVersionsMax)
    .refine(distinct, 'expected every version once')
    .meta({ uniqueItems: true }),
  /** Every member of the task where left out. */
  sites: z
    .array(siteIdSchema)
    .min(1)
    .max(limits.membersMax)
    .refine(distinct, 'expected every site once')
    .meta({ uniqueItems: true })
    .exactOptional(),
  /** How long sites have, those that are away now too. */
  deadlineMs: evaluationDeadlineMsSchema.default(evaluationDeadlineMsDefault),
  reason: reasonBody.shape.reason.exactOptional(),
});
/** What an administrator asks for. */
export type EvaluationRequestBody = z.infer<typeof evaluationRequestBody>;

/** A request as the steward of a site sees it: no word of another site. */
function ownItems(view: EvaluationRequestView, site: SiteId): EvaluationRequestView {
  const items = view.items.filter((item) => item.site === site);
  const done = items.filter(({ state }) => state === 'done').length;
  return { ...view, reason: null, summary: `${done} of ${items.length} at ${site} done`, items };
}

const requestsQuery = z.strictObject(
  pageQuery(z.tuple([keyBig, keyText]), { byDefault: 50, max: 200 }),
);
/** Which requests are listed. */
export type RequestsQuery = z.output<typeof requestsQuery>;

/** REST routes of requests for evaluations. */
export const evaluationRequestRoutes = {
  create: defineRoute({
    method: 'POST',
    path: '/v1/tasks/:task/evaluation-requests',
    summary: "Ask sites to evaluate versions on their held-out images; a site's policy may decline",
    roles: scienceRoles,
    scope: 'tasks',
    params: taskParams,
    body: evaluationRequestBody,
    response: evaluationRequestViewSchema,
    status: 201,
    refusals: ['NOT_A_MEMBER'],
  }),
  list: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/evaluation-requests',
    summary:
      'List the requests for evaluations of a task, newest first, with the state of every site',
    roles: readRoles,
    params: taskParams,
    query: requestsQuery,
    response: z.strictObject({ requests: z.array(evaluationRequestViewSchema), nextCursor }),
    forSteward: ({ requests, ...page }, site) => ({
      ...page,
      requests: requests
        .filter(({ owner }) => owner === null || owner === site)
        .map((request) => ownItems(request, site)),
    }),
  }),
  cancel: defineRoute({
    method: 'POST',
    path: '/v1/tasks/:task/evaluation-requests/:request/cancel',
    summary: 'Wait for no more reports of a request; what has been reported stays',
    roles: scienceRoles,
    scope: 'tasks',
    params: z.strictObject({
      ...taskParams.shape,
      request: evaluationRequestIdSchema.describe('Name of a request for evaluations.'),
    }),
    body: reasonBody.partial(),
    response: evaluationRequestViewSchema,
  }),
} as const;
