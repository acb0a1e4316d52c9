/** Who may do what: one check for routes and sockets. */
import { AuthError } from '#core/errors';
import type { Grant } from '../users/credential.ts';
import type { RouteContract } from './contract.ts';

/** Who may do something. */
export type AccessRules = Pick<RouteContract, 'scope' | 'isForSetup'> & {
  readonly roles: Exclude<RouteContract['roles'], 'public'>;
};

/**
 * Check a caller's role, what the account still has to set, and the scopes of a token.
 *
 * @throws AuthError FORBIDDEN, ACCOUNT_SETUP_REQUIRED
 */
export function checkAccess(rules: AccessRules, grant: Grant): void {
  const { roles, scope, isForSetup } = rules;
  if (!roles.includes(grant.role)) {
    throw forbidden(`another role than ${grant.role}`);
  }
  if (grant.setup !== null && !isForSetup) {
    throw new AuthError(
      'ACCOUNT_SETUP_REQUIRED',
      `access: expected an account whose ${grant.setup} is set; see GET /v1/sessions/current`,
    );
  }
  if (!grant.scopes.includes(scope) && !grant.scopes.includes('everything')) {
    throw forbidden(`a token with the scope ${scope}, got ${grant.scopes.join(', ')}`);
  }
}

/** A refusal that says nothing of what is there. */
export function forbidden(expected: string): AuthError {
  return new AuthError('FORBIDDEN', `access: expected ${expected}`);
}
