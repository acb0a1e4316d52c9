/** People's accounts: made, changed, suspended and removed by administrators; whatever changes one ends its sessions. */
import { Injectable } from '@nestjs/common';
import { InputError, StateError } from '#core/errors';
import { AuditService } from '../audit/audit.service.ts';
import { currentCommand, isRepeatedCommand } from '../common/command-context.ts';
import type { RouteInput } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import type { Page, PageQuery } from '../common/pages.contract.ts';
import type { Queries } from '../config/database.ts';
import { RosterService } from '../sites/roster.service.ts';
import type { accountRoutes, NewPassword, UserView } from './accounts.contract.ts';
import { PasswordsService } from './passwords.service.ts';
import { withoutSecondFactor } from './second-factor.service.ts';
import { newReadableSecret } from './secrets.ts';
import { SessionsService } from './sessions.service.ts';
import { checkUnchanged, UserStore, type UserChange, type UserRecord } from './user-store.ts';

/** Accounts at most. */
export const usersMax = 1000;

type Body<Name extends keyof typeof accountRoutes> = RouteInput<
  (typeof accountRoutes)[Name]
>['body'];
type RoleAndSite = Pick<Body<'create'>, 'role' | 'site'>;

/** How an account is changed. */
interface Change {
  readonly action: string;
  readonly ifVersion: number | undefined;
  readonly details?: Readonly<Record<string, string | null>>;
  readonly decide: (record: UserRecord) => UserChange;
}

/** People's accounts. */
@Injectable()
export class AccountsService {
  readonly #environment: Environment;
  readonly #store: UserStore;
  readonly #passwords: PasswordsService;
  readonly #sessions: SessionsService;
  readonly #roster: RosterService;
  readonly #audit: AuditService;
  readonly #mutex = new KeyedMutex();

  constructor(
    environment: Environment,
    store: UserStore,
    passwords: PasswordsService,
    sessions: SessionsService,
    roster: RosterService,
    audit: AuditService,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#passwords = passwords;
    this.#sessions = sessions;
    this.#roster = roster;
    this.#audit = audit;
  }

  async list(query: PageQuery<readonly [string]>): Promise<Page<UserView>> {
    const { items, nextCursor } = await this.#store.page(query);
    return { items: items.map(viewOf), nextCursor };
  }

  async get(user: string): Promise<UserView> {
    return viewOf(await this.#store.get(user));
  }

  /** Make an account with a temporary password. */
  async create({ user, password, ...place }: Body<'create'>): Promise<NewPassword> {
    const { role, site } = this.#checkPlace(place);
    const { temporaryPassword, change } = await this.#temporaryPassword(user, password);
    const made = await this.#alone(async (transaction) => {
      const present = await this.#store.list(transaction);
      if (present.some((each) => each.user === user)) return null;
      checkRoom(present);
      const createdAtMs = this.#nowMs();
      const record = { ...emptyRecord, ...change, user, role, site, createdAtMs };
      await this.#store.insert(transaction, record);
      await this.#record(transaction, 'user.created', user, { role, site });
      return record;
    });
    if (made !== null) return { user: viewOf(made), temporaryPassword };
    // Its first password was lost with the answer: nobody has it.
    if (isRepeatedCommand()) {
      return this.resetPassword(user, password === undefined ? {} : { password });
    }
    throw alreadyThere(user);
  }

  /** Change what somebody may do. */
  setRole(user: string, { ifVersion, ...place }: Body<'role'>): Promise<UserView> {
    const checked = this.#checkPlace(place);
    return this.#change(user, {
      action: 'user.role-changed',
      ifVersion,
      details: checked,
      decide: () => checked,
    });
  }

  /** Let somebody do nothing until resumed. */
  suspend(user: string, { reason, ifVersion }: Body<'suspend'>): Promise<UserView> {
    const decide = (): UserChange => ({ status: 'suspended', reason });
    return this.#change(user, { action: 'user.suspended', ifVersion, details: { reason }, decide });
  }

  /** Let a suspended person sign in again. */
  resume(user: string, { ifVersion }: Body<'resume'>): Promise<UserView> {
    const decide = (): UserChange => ({ status: 'active', reason: null });
    return this.#change(user, { action: 'user.resumed', ifVersion, decide });
  }

  /** Set a temporary password: after a forgotten one. */
  async resetPassword(
    user: string,
    { password, ifVersion }: Body<'resetPassword'>,
  ): Promise<NewPassword> {
    const { temporaryPassword, change } = await this.#temporaryPassword(user, password);
    const action = 'user.password-reset';
    const view = await this.#change(user, { action, ifVersion, decide: () => change });
    return { user: view, temporaryPassword };
  }

  /**
   * Set a password of the person's own, who knew the one of `allowed`.
   *
   * @throws StateError STATE_CONFLICT where the account is another by the time that the new one is hashed
   */
  async setOwnPassword(allowed: UserRecord, password: string): Promise<UserRecord> {
    const { user } = allowed;
    const passwordHash = await this.#passwords.hashNew(password, user);
    const change = { passwordHash, isPasswordTemporary: false, passwordSetAtMs: this.#nowMs() };
    const decide = (present: UserRecord): UserChange => {
      checkUnchanged(allowed, present);
      return change;
    };
    await this.#change(user, { action: 'user.password-changed', ifVersion: undefined, decide });
    return this.#store.get(user);
  }

  /**
   * Make the account of somebody for whom a provider vouches.
   *
   * @throws StateError ALREADY_EXISTS, STATE_CONFLICT where there are as many as there may be
   */
  link(
    user: string,
    { issuer, subject }: { readonly issuer: string; readonly subject: string },
    place: RoleAndSite,
  ): Promise<UserRecord> {
    const { role, site } = this.#checkPlace(place);
    return this.#alone(async (transaction) => {
      const present = await this.#store.list(transaction);
      if (present.some((each) => each.user === user)) throw alreadyThere(user);
      checkRoom(present);
      const record = {
        ...emptyRecord,
        ...{ user, role, site, issuer, subject, createdAtMs: this.#nowMs() },
        ...{ passwordHash: null, isPasswordTemporary: false, passwordSetAtMs: null },
      };
      await this.#store.insert(transaction, record);
      await this.#record(transaction, 'user.linked', user, { role, site, issuer });
      return record;
    });
  }

  /** Give an account the role that its provider says now; where that is the present one nothing changes. */
  async follow(record: UserRecord, place: RoleAndSite): Promise<UserRecord> {
    const checked = this.#checkPlace(place);
    if (record.role === checked.role && record.site === checked.site) return record;
    await this.setRole(record.user, place);
    return this.#store.get(record.user);
  }

  /** Remove the second factor of somebody who lost it. */
  removeSecondFactor(user: string, ifVersion: number | undefined): Promise<UserView> {
    const action = 'user.second-factor-removed';
    const decide = (): UserChange => withoutSecondFactor;
    return this.#change(user, { action, ifVersion, decide });
  }

  /** Remove an account. */
  async remove(user: string, ifVersion: number | undefined): Promise<void> {
    await this.#alone(async (transaction) => {
      const record = await this.#store.find(user, transaction);
      if (record === null && isRepeatedCommand()) return;
      checkVersion(record ?? (await this.#store.get(user, transaction)), ifVersion);
      await this.#checkAdministratorRemains(transaction, user, null);
      await this.#store.remove(transaction, user);
      await this.#record(transaction, 'user.removed', user);
    });
    this.#sessions.endAll(`user:${user}`);
  }

  async #change(user: string, change: Change): Promise<UserView> {
    const { action, ifVersion, details, decide } = change;
    const changed = await this.#alone(async (transaction) => {
      const record = await this.#store.get(user, transaction);
      if (!isRepeatedCommand()) checkVersion(record, ifVersion);
      const next = decide(record);
      await this.#checkAdministratorRemains(transaction, user, { ...record, ...next });
      await this.#record(transaction, action, user, details);
      return this.#store.change(transaction, record, next);
    });
    this.#sessions.endAll(`user:${user}`);
    return viewOf(changed);
  }

  /** One change after the other: the last administrator is not removed by two at once. */
  #alone<T>(work: (transaction: Queries) => Promise<T>): Promise<T> {
    return this.#mutex.run('users', () => this.#environment.transactions.run(work));
  }

  /** Once somebody administers by account, somebody always does. */
  async #checkAdministratorRemains(
    transaction: Queries,
    user: string,
    next: UserRecord | null,
  ): Promise<void> {
    const before = (await this.#store.list(transaction)).filter(isAdministrator);
    const isLast = before.length === 1 && before[0]?.user === user;
    if (!isLast || (next !== null && isAdministrator(next))) return;
    throw new StateError(
      'STATE_CONFLICT',
      `users: expected another administrator who may sign in, ${user} is the last one; make another first`,
    );
  }

  #checkPlace({ role, site }: RoleAndSite): Pick<UserRecord, 'role' | 'site'> {
    if ((role === 'steward') !== (site !== undefined)) {
      throw new InputError(
        'REQUEST_INVALID',
        `users: expected a site for a steward and for no other role, got ${role} with ${site ?? 'none'}`,
      );
    }
    if (site === undefined) return { role, site: null };
    return { role, site: this.#roster.get(site).site };
  }

  async #temporaryPassword(user: string, chosen: string | undefined) {
    const made = newReadableSecret();
    const passwordHash =
      chosen === undefined
        ? await this.#passwords.hash(made)
        : await this.#passwords.hashNew(chosen, user);
    const change = { passwordHash, isPasswordTemporary: true, passwordSetAtMs: this.#nowMs() };
    return { temporaryPassword: chosen === undefined ? made : null, change };
  }

  #record(
    transaction: Queries,
    action: string,
    user: string,
    details: Change['details'] = {},
  ): Promise<void> {
    // Nobody gave a command where an identity provider's word changes an account.
    const actor = currentCommand()?.actor ?? 'coordinator';
    const record = { actor, action, target: `user:${user}`, details };
    return this.#audit.append(transaction, record);
  }

  #nowMs(): number {
    return this.#environment.clock.wallTimeMs();
  }
}

const emptyRecord = {
  ...withoutSecondFactor,
  status: 'active',
  reason: null,
  version: 1,
  lastSignInAtMs: null,
  issuer: null,
  subject: null,
} satisfies Partial<UserRecord>;

const alreadyThere = (user: string): StateError =>
  new StateError(
    'ALREADY_EXISTS',
    `users: expected a new name, ${user} has an account already; choose another`,
  );

function checkRoom(present: readonly UserRecord[]): void {
  if (present.length < usersMax) return;
  throw new StateError(
    'STATE_CONFLICT',
    `users: expected at most ${usersMax} accounts, got one more; remove some that nobody uses`,
  );
}

const isAdministrator = ({ role, status }: UserRecord): boolean =>
  role === 'administrator' && status === 'active';

function checkVersion({ user, version }: UserRecord, ifVersion: number | undefined): void {
  if (ifVersion === undefined || ifVersion === version) return;
  throw new StateError(
    'STATE_CONFLICT',
    `users: expected version ${ifVersion} of ${user}, somebody changed it to ${version}; look again`,
  );
}

/** What password an account has. */
export function passwordStateOf(record: UserRecord): UserView['password'] {
  if (record.passwordHash === null) return 'none';
  return record.isPasswordTemporary ? 'temporary' : 'own';
}

/** An account as administrators see it. */
export function viewOf(record: UserRecord): UserView {
  const { user, role, site, status, reason, version, createdAtMs, lastSignInAtMs, issuer } = record;
  return {
    user,
    role,
    site,
    status,
    reason,
    version,
    createdAtMs,
    lastSignInAtMs,
    password: passwordStateOf(record),
    hasSecondFactor: record.isTotpConfirmed,
    issuer,
  };
}
