/** Every REST route of the coordinator, by area. */
import { auditRoutes } from '../audit/audit.contract.ts';
import { backupRoutes } from '../backup/backup.contract.ts';
import { evaluationRequestRoutes } from '../evaluation/evaluation-requests.contract.ts';
import { evaluationRoutes } from '../evaluation/evaluation.contract.ts';
import { apiRoutes } from '../openapi/api.contract.ts';
import { healthRoutes } from '../health/health.contract.ts';
import { operationsRoutes } from '../operations/operations.contract.ts';
import { registryRoutes } from '../registry/registry.contract.ts';
import { roundRoutes } from '../rounds/rounds.contract.ts';
import { siteRoutes } from '../sites/sites.contract.ts';
import { taskRoutes } from '../tasks/tasks.contract.ts';
import { accountRoutes } from '../users/accounts.contract.ts';
import { secondFactorRoutes } from '../users/second-factor.contract.ts';
import { singleSignOnRoutes } from '../users/single-sign-on.contract.ts';
import { tokenRoutes } from '../users/tokens.contract.ts';
import { telemetryRoutes } from '../telemetry/telemetry.contract.ts';
import { userRoutes } from '../users/users.contract.ts';
import { webhookRoutes } from '../webhooks/webhooks.contract.ts';
import type { RouteContract } from './contract.ts';

/** Every REST route of the coordinator, by area. */
export const routes = {
  api: apiRoutes,
  health: healthRoutes,
  sites: siteRoutes,
  tasks: taskRoutes,
  rounds: roundRoutes,
  registry: registryRoutes,
  evaluation: evaluationRoutes,
  evaluationRequests: evaluationRequestRoutes,
  audit: auditRoutes,
  backup: backupRoutes,
  operations: operationsRoutes,
  telemetry: telemetryRoutes,
  users: userRoutes,
  accounts: accountRoutes,
  secondFactor: secondFactorRoutes,
  singleSignOn: singleSignOnRoutes,
  tokens: tokenRoutes,
  webhooks: webhookRoutes,
} as const;

/** What each area is about, for the reference. */
export const areas: Readonly<Record<keyof typeof routes, string>> = {
  api: 'The API explains itself.',
  health: 'How the coordinator does.',
  sites: 'Sites of the federation: invited, enrolled, approved, suspended, revoked, left.',
  tasks: 'Tasks: what is trained, by whom and under which rules.',
  rounds: 'Rounds of a task, attempt by attempt, with every member and the signed records.',
  registry: "Versions of a task's adapter with their lineage.",
  evaluation: 'Figures of every version.',
  evaluationRequests: 'Requests for evaluations beside the rounds.',
  audit: 'The chained log of what happened.',
  backup: 'Backups.',
  operations: 'Draining before an upgrade, disk, retention and quotas.',
  telemetry: 'Figures for Prometheus.',
  users: 'Sign-in of people, and their sessions.',
  accounts: 'Accounts of people: their roles and passwords.',
  secondFactor: "A person's own account, its authenticator and its recovery codes.",
  singleSignOn: 'Sign-in through an identity provider (OpenID Connect), by a browser.',
  tokens: 'API tokens for programs.',
  webhooks: 'Addresses that are told of alerts.',
};

/** The same as a list. */
export const allRoutes: readonly RouteContract[] = Object.values(routes).flatMap((area) =>
  Object.values<RouteContract>(area),
);

export * from './contract.ts';
