/** What somebody is known by. It grants nothing by itself: what it allows now is asked anew with every request. */
import type { SiteId } from '#core/protocol';
import type { Role, Scope } from '../common/contract.ts';

/** What somebody is known by. */
export type Credential =
  | { readonly kind: 'administrator-token'; readonly hash: string }
  | { readonly kind: 'api-token'; readonly hash: string }
  /** `stamp` is that of one version of the account: whatever changes the account ends it. */
  | { readonly kind: 'user'; readonly user: string; readonly stamp: string };

/** What an account still has to set before it may do anything else. */
export type Setup = 'password' | 'second-factor';

/** What a credential allows now. */
export interface Grant {
  readonly credential: Credential;
  /** As it stands in the audit log: `administrator` for the token of the first start, or `user:NAME`. */
  readonly actor: string;
  /** The account; null where none stands behind it. */
  readonly user: string | null;
  readonly role: Role;
  /** The site of a steward; null for other roles. */
  readonly site: SiteId | null;
  readonly scopes: readonly Scope[];
  /** Null where nothing is left to set. */
  readonly setup: Setup | null;
  /** Wall time of the token's end; an account has none. */
  readonly expiresAtMs?: number;
}

/** Who holds a credential: what is ended along with it. */
export function holderOf(credential: Credential): string {
  return credential.kind === 'user'
    ? `user:${credential.user}`
    : `${credential.kind}:${credential.hash}`;
}

/** What stands for a token in the audit log: the beginning of its hash, enough to tell tokens apart; null for an account. */
export function tokenMarkOf(credential: Credential): string | null {
  return credential.kind === 'user' ? null : credential.hash.slice(0, 8);
}
