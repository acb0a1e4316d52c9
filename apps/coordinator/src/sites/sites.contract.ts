/** REST routes of sites: invitation, enrolment, approval, suspension, revocation. */
import { z } from 'zod';
import {
  adapterVersionSchema,
  digestSchema,
  enrollmentRequestSchema,
  enrollmentResponseSchema,
  nonceRequestSchema,
  nonceResponseSchema,
  siteIdSchema,
  taskIdSchema,
} from '#core/protocol';
import {
  commandRoles,
  defineRoute,
  ownAnswer,
  readRoles,
  reasonBody,
  siteParams,
  timeMs,
} from '../common/contract.ts';
import { keyText, nextCursor, pageQuery } from '../common/pages.contract.ts';

/** Where a site stands in the federation. */
export const siteStatusSchema = z.enum([
  'invited',
  'pending',
  'active',
  'suspended',
  'revoked',
  'left',
]);
/** Where a site stands in the federation. */
export type SiteStatus = z.infer<typeof siteStatusSchema>;

/** A site as people see it. */
export const siteViewSchema = z.strictObject({
  site: siteIdSchema,
  status: siteStatusSchema,
  /** Why it is suspended or revoked, or left; null otherwise. */
  reason: z.string().nullable(),
  /** Fingerprint of both public keys; null before enrolment. */
  fingerprint: digestSchema.nullable(),
  invitedAtMs: timeMs,
  enrolledAtMs: timeMs.nullable(),
  approvedAtMs: timeMs.nullable(),
  isConnected: z.boolean(),
  lastSeenAtMs: timeMs.nullable(),
  agentVersion: z.string().nullable(),
  /** Rounds lost in a row; at three the site is suspended. */
  lostRounds: z.number().int(),
  /** What the site said it can do when it last connected; null before. */
  capabilities: z
    .strictObject({
      node: z.string(),
      engines: z.array(z.strictObject({ name: z.string(), device: z.string() })),
      backbones: z.array(digestSchema),
      memoryBytes: z.number(),
      cores: z.number(),
      approvedTasks: z.array(taskIdSchema),
    })
    .nullable(),
  /** The last heartbeat of the present connection; null without one. */
  heartbeat: z
    .strictObject({
      atMs: timeMs,
      phase: z.string(),
      task: taskIdSchema.nullable(),
      round: z.number().int().nullable(),
      progress: z.number().nullable(),
      load: z.number(),
    })
    .nullable(),
});
/** A site as people see it. */
export type SiteView = z.infer<typeof siteViewSchema>;

/** A one-time enrolment code: shown once, only its secret's hash is stored. */
export const invitationViewSchema = z.strictObject({
  site: siteIdSchema,
  code: z.string(),
  expiresAtMs: timeMs,
});
/** A one-time enrolment code, shown once. */
export type InvitationView = z.infer<typeof invitationViewSchema>;

/** What a site that leaves means for one task. */
export const leavingTaskViewSchema = z.strictObject({
  task: taskIdSchema,
  /** Versions that its share is in, directly or through an ancestor; they are marked. */
  versions: z.array(adapterVersionSchema).min(1),
  /** The last version without it. */
  lastWithout: adapterVersionSchema,
  /** Whether the version that people are told to use is one of them. */
  isPromotedAffected: z.boolean(),
  /** Whether the next round would start from one of them. */
  isRerunDue: z.boolean(),
});
/** A site that left, and the tasks whose versions its share is in. */
export const leavingViewSchema = z.strictObject({
  site: siteViewSchema,
  tasks: z.array(leavingTaskViewSchema),
});
/** A site that left, and what that means. */
export type LeavingView = z.infer<typeof leavingViewSchema>;

/** The address that a code carries, where it is not the coordinator's own public one. */
const urlSchema = z
  .string()
  .max(512)
  .regex(/^https?:\/\/[^\s]+$/, 'expected an http or https address');

/** REST routes of sites. */
export const siteRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/sites',
    summary: 'List the sites of the federation by name',
    roles: readRoles,
    query: z.strictObject(pageQuery(z.tuple([keyText]), { byDefault: 200, max: 1000 })),
    response: z.strictObject({ sites: z.array(siteViewSchema), nextCursor }),
    forSteward: ({ sites, ...page }, site) => ({
      ...page,
      sites: sites.filter((each) => each.site === site),
    }),
  }),
  invite: defineRoute({
    method: 'POST',
    path: '/v1/sites',
    summary: 'Invite a site: make it and its one-time enrolment code',
    roles: commandRoles,
    scope: 'sites',
    body: z.strictObject({ site: siteIdSchema, url: urlSchema.optional() }),
    response: invitationViewSchema,
    status: 201,
    refusals: ['ALREADY_EXISTS'],
  }),
  get: defineRoute({
    method: 'GET',
    path: '/v1/sites/:site',
    summary: 'Show one site',
    roles: readRoles,
    params: siteParams,
    response: siteViewSchema,
    forSteward: ownAnswer, // the path names its own site
  }),
  inviteAgain: defineRoute({
    method: 'POST',
    path: '/v1/sites/:site/invitations',
    summary: 'Make a new enrolment code for a site; earlier unused codes stop working',
    roles: commandRoles,
    scope: 'sites',
    params: siteParams,
    body: z.strictObject({ url: urlSchema.optional() }),
    response: invitationViewSchema,
    status: 201,
  }),
  approve: defineRoute({
    method: 'POST',
    path: '/v1/sites/:site/approve',
    summary: 'Approve an enrolled site whose fingerprint was compared',
    roles: commandRoles,
    scope: 'sites',
    params: siteParams,
    body: z.strictObject({ fingerprint: digestSchema }),
    response: siteViewSchema,
  }),
  suspend: defineRoute({
    method: 'POST',
    path: '/v1/sites/:site/suspend',
    summary: 'Suspend a site and cut its connection',
    roles: commandRoles,
    scope: 'sites',
    params: siteParams,
    body: reasonBody,
    response: siteViewSchema,
  }),
  resume: defineRoute({
    method: 'POST',
    path: '/v1/sites/:site/resume',
    summary: 'Let a suspended site take part again',
    roles: commandRoles,
    scope: 'sites',
    params: siteParams,
    response: siteViewSchema,
  }),
  revoke: defineRoute({
    method: 'POST',
    path: '/v1/sites/:site/revoke',
    summary: 'Revoke a site for good and cut its connection',
    roles: commandRoles,
    scope: 'sites',
    params: siteParams,
    body: reasonBody,
    response: siteViewSchema,
  }),
  leave: defineRoute({
    method: 'POST',
    path: '/v1/sites/:site/leave',
    summary:
      'Let a site leave: cut, in no later round, the versions with its share marked; with rerun its tasks go on from the last version without it',
    roles: commandRoles,
    scope: 'sites',
    params: siteParams,
    body: z.strictObject({ ...reasonBody.shape, rerun: z.boolean().default(false) }),
    response: leavingViewSchema,
  }),
  nonce: defineRoute({
    method: 'POST',
    path: '/v1/handshake/nonce',
    summary: 'Ask for a single-use nonce, signed by the coordinator',
    roles: 'public',
    body: nonceRequestSchema,
    response: nonceResponseSchema,
    refusals: ['STORE_UNAVAILABLE'],
  }),
  enroll: defineRoute({
    method: 'POST',
    path: '/v1/enrollments',
    summary: 'Enrol a site with its one-time code and the proof of both keys',
    roles: 'public',
    body: enrollmentRequestSchema,
    response: enrollmentResponseSchema,
    status: 201,
    refusals: [
      'NONCE_UNKNOWN',
      'ENROLLMENT_CODE_UNKNOWN',
      'ENROLLMENT_PROOF_INVALID',
      'PROTOCOL_VERSION_MISMATCH',
      'ALREADY_ENROLLED',
      'STORE_UNAVAILABLE',
      'SHUTTING_DOWN',
      'DISK_FULL',
    ],
  }),
} as const;
