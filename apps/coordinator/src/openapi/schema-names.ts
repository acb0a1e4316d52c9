/** Names of the schemas that the OpenAPI document has as components; requests and answers get theirs from their route. */
import type { z } from 'zod';
import {
  aggregationPlanSchema,
  backboneReferenceSchema,
  bootstrapSchema,
  classesSchema,
  comparisonSchema,
  digestSchema,
  evaluationStateSchema,
  jsonEnvelopeSchema,
  memberStatusSchema,
  preprocessingSchema,
  promotionRuleSchema,
  earlyStopRuleSchema,
  roundEventSchema,
  roundPhaseSchema,
  roundResultSchema,
  roundRulesSchema,
  siteIdSchema,
  siteStepSchema,
  taskDefinitionSchema,
  trainingPlanSchema,
} from '#core/protocol';
import { auditEntrySchema } from '../audit/audit.contract.ts';
import {
  anyJson,
  anyJsonObject,
  nothing,
  problemSchema,
  reasonBody,
  roleSchema,
} from '../common/contract.ts';
import {
  evaluationItemSchema,
  evaluationRequestViewSchema,
} from '../evaluation/evaluation-requests.contract.ts';
import {
  absentSiteSchema,
  briefEvaluationSchema,
  briefLocalAdapterSchema,
  briefSiteSchema,
  briefSummarySchema,
  localAdapterEvaluationSchema,
  pooledIntervalsSchema,
  scoreSummarySchema,
  siteEvaluationSchema,
  versionDecisionSchema,
  versionEvaluationSchema,
} from '../evaluation/evaluation.contract.ts';
import { healthSchema } from '../health/health.contract.ts';
import {
  awaitedRoundSchema,
  awaitedUploadSchema,
  diskViewSchema,
  drainViewSchema,
  openingRefusalSchema,
} from '../operations/operations.contract.ts';
import { versionDetailSchema, versionViewSchema } from '../registry/registry.contract.ts';
import {
  memberViewSchema,
  roundDetailSchema,
  roundFiguresViewSchema,
  roundViewSchema,
  siteFiguresViewSchema,
  verificationViewSchema,
} from '../rounds/rounds.contract.ts';
import {
  invitationViewSchema,
  leavingTaskViewSchema,
  leavingViewSchema,
  siteStatusSchema,
  siteViewSchema,
} from '../sites/sites.contract.ts';
import { scheduleRulesSchema } from '../tasks/task-schedule.ts';
import {
  definitionViewSchema,
  scheduleViewSchema,
  taskStatusSchema,
  taskViewSchema,
} from '../tasks/tasks.contract.ts';
import { newPasswordSchema, userViewSchema } from '../users/accounts.contract.ts';
import { ownAccountSchema } from '../users/second-factor.contract.ts';
import { tokenViewSchema } from '../users/tokens.contract.ts';
import { sessionViewSchema, signInSchema } from '../users/users.contract.ts';
import {
  alertKindSchema,
  deliveryViewSchema,
  webhookViewSchema,
} from '../webhooks/webhooks.contract.ts';
import { errorViewSchema } from './api.contract.ts';

/** A schema with what it is, and an example where one helps. */
export interface NamedSchema {
  readonly schema: z.ZodType;
  readonly description: string;
  readonly example?: string;
}

const named = (schema: z.ZodType, description: string, example?: string): NamedSchema => ({
  schema,
  description,
  ...(example === undefined ? {} : { example }),
});

/** Names of schemas. */
export const schemaNames: Readonly<Record<string, NamedSchema>> = {
  Account: named(ownAccountSchema, "The caller's own account."),
  AbsentSite: named(absentSiteSchema, 'A planned site that a figure is without.'),
  Aggregation: named(aggregationPlanSchema, 'How updates are combined.'),
  AlertKind: named(alertKindSchema, 'What an address may be told of.'),
  AuditEntry: named(auditEntrySchema, 'One thing that happened.'),
  AwaitedRound: named(awaitedRoundSchema, 'An open round that a drain awaits.'),
  AwaitedUpload: named(awaitedUploadSchema, 'A late upload that a drain awaits.'),
  Backbone: named(backboneReferenceSchema, 'What the coordinator knows of a backbone.'),
  Bootstrap: named(bootstrapSchema, '95 % intervals that a site drew by patient.'),
  BriefEvaluation: named(briefEvaluationSchema, 'Figures of one version in brief.'),
  BriefLocalAdapter: named(
    briefLocalAdapterSchema,
    'The adapter that one site trained alone, in brief.',
  ),
  BriefSite: named(briefSiteSchema, 'What one site reported, in brief.'),
  BriefSummary: named(briefSummarySchema, 'Figures of one score report in brief.'),
  Classes: named(classesSchema, "Classes in the order of the head's rows; every one once."),
  Comparison: named(comparisonSchema, 'A version beside what the site trained alone.'),
  Delivery: named(deliveryViewSchema, 'One alert to one address.'),
  Digest: named(digestSchema, 'BLAKE2b-256 in hexadecimal.', '0123456789abcdef'.repeat(4)),
  Disk: named(diskViewSchema, 'Room on the disk of the data folder.'),
  Drain: named(drainViewSchema, 'Where a drain stands.'),
  EarlyStopRule: named(earlyStopRuleSchema, 'When training ends for want of gain.'),
  Envelope: named(jsonEnvelopeSchema, 'A signed payload, both parts in base64.'),
  ErrorCode: named(errorViewSchema, 'What a code means.'),
  EvaluationItem: named(evaluationItemSchema, 'One version at one site.'),
  EvaluationRequest: named(evaluationRequestViewSchema, 'One request for evaluations.'),
  EvaluationState: named(evaluationStateSchema, 'Where a requested evaluation stands.'),
  Health: named(healthSchema, 'How the coordinator does.'),
  Invitation: named(invitationViewSchema, 'A one-time enrolment code, shown once.'),
  Json: named(anyJson, 'Any JSON.'),
  JsonObject: named(anyJsonObject, 'A JSON object of any content.'),
  LeavingSite: named(leavingViewSchema, 'A site that left, and what that means.'),
  LeavingTask: named(leavingTaskViewSchema, 'What a site that leaves means for one task.'),
  LocalAdapterEvaluation: named(
    localAdapterEvaluationSchema,
    'What one site trained alone, at every site.',
  ),
  Member: named(memberViewSchema, 'One member of an attempt.'),
  MemberStatus: named(memberStatusSchema, 'Where a member of an attempt stands.'),
  NewPassword: named(newPasswordSchema, 'An account and the password made for it, shown once.'),
  Name: named(siteIdSchema, 'Name of a site or a task.', 'hospital-north'),
  Nothing: named(nothing, 'An empty object.'),
  OpeningRefusal: named(openingRefusalSchema, 'Why no round opens now although tasks run.'),
  PooledIntervals: named(pooledIntervalsSchema, '95 % intervals over the summed histograms.'),
  Preprocessing: named(preprocessingSchema, "How images become the backbone's input."),
  Problem: named(problemSchema, 'A refusal (RFC 9457).'),
  PromotionRule: named(promotionRuleSchema, 'When a version is promoted by itself.'),
  Reason: named(reasonBody, 'Why it is done.'),
  Role: named(roleSchema, 'A role of a person.'),
  Round: named(roundViewSchema, 'One attempt at a round.'),
  RoundDetail: named(roundDetailSchema, 'One attempt with its signed records and events.'),
  RoundEvent: named(roundEventSchema, 'One event of an attempt.'),
  RoundFigures: named(roundFiguresViewSchema, 'What an aggregate told of its sites.'),
  RoundPhase: named(roundPhaseSchema, 'Where an attempt stands.'),
  RoundResult: named(roundResultSchema, 'What a published round signs.'),
  RoundRules: named(roundRulesSchema, 'Quorum, deadline and who may take part.'),
  Schedule: named(scheduleViewSchema, 'When the next round may open.'),
  ScheduleRules: named(scheduleRulesSchema, 'When rounds may open: cron, sitesReady or both.'),
  ScoreSummary: named(scoreSummarySchema, 'Figures of one score report.'),
  Session: named(sessionViewSchema, 'Who is signed in, and for how long.'),
  SignIn: named(signInSchema, 'A token, the secret of a sign-in link, or a name and a password.'),
  Site: named(siteViewSchema, 'A site.'),
  SiteEvaluation: named(siteEvaluationSchema, 'What one site reported.'),
  SiteFigures: named(siteFiguresViewSchema, 'One site of an aggregate beside the others.'),
  SiteStatus: named(siteStatusSchema, 'Where a site stands in the federation.'),
  SiteStep: named(siteStepSchema, "How a site's round departs from plain training."),
  Task: named(taskViewSchema, 'A task.'),
  TaskDefinition: named(definitionViewSchema, "A task's definition; it never changes."),
  TaskDefinitionBody: named(taskDefinitionSchema, 'A definition of a task to be.'),
  TaskStatus: named(taskStatusSchema, 'Where a task stands.'),
  Token: named(tokenViewSchema, 'An API token, without its secret.'),
  TrainingPlan: named(trainingPlanSchema, 'How a site trains in a round.'),
  User: named(userViewSchema, 'An account.'),
  Verification: named(verificationViewSchema, 'What checking a published round found.'),
  Version: named(versionViewSchema, "A version of a task's adapter."),
  VersionDecision: named(versionDecisionSchema, "What a task's own rules said of a version."),
  VersionDetail: named(versionDetailSchema, 'A version with its card and its signed chain.'),
  VersionEvaluation: named(versionEvaluationSchema, 'Figures of one version.'),
  Webhook: named(webhookViewSchema, 'An address that is told of alerts.'),
};
