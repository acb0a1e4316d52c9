/** Every REST route of the coordinator, by area. */
import { auditRoutes } from '../audit/audit.contract.ts';
import { backupRoutes } from '../backup/backup.contract.ts';
import { evaluationRequestRoutes } from '../evaluation/evaluation-requests.contract.ts';
import { evaluationRoutes } from '../evaluation/evaluation.contract.ts';
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
import { userRoutes } from '../users/users.contract.ts';
import type { RouteContract } from './contract.ts';

/** Every REST route of the coordinator, by area. */
export const routes = {
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
  users: userRoutes,
  accounts: accountRoutes,
  secondFactor: secondFactorRoutes,
  singleSignOn: singleSignOnRoutes,
  tokens: tokenRoutes,
} as const;

/** The same as a list. */
export const allRoutes: readonly RouteContract[] = Object.values(routes).flatMap((area) =>
  Object.values<RouteContract>(area),
);

export * from './contract.ts';
