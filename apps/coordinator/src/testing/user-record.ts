/** Accounts as they are stored, for specs that need no password behind one. */
import type { UserRecord } from '../users/user-store.ts';

/** An active viewer without a second factor. */
export function userRecord(user: string): UserRecord {
  return {
    ...{ user, role: 'viewer', site: null, status: 'active', reason: null },
    ...{ passwordHash: 'hash', isPasswordTemporary: false, passwordSetAtMs: 1 },
    ...{ version: 1, createdAtMs: 1, lastSignInAtMs: null, issuer: null, subject: null },
    ...{ wrappedTotpSecret: null, isTotpConfirmed: false, totpLastStep: null },
    recoveryCodeHashes: [],
  };
}
