/**
 * The second factor: codes of an authenticator (RFC 6238, SHA-1, six digits, 30 seconds, one step to either side), each taken
 * once, and recovery codes of 120 bits, kept as hashes and taken once.
 */
import { Injectable } from '@nestjs/common';
import { Secret, TOTP } from 'otpauth';
import { randomBytes, unwrapSecret, wrapSecret } from '#core/crypto';
import { InputError, StateError } from '#core/errors';
import { AuditService } from '../audit/audit.service.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import { recoveryCodesCount } from './second-factor.contract.ts';
import { newReadableSecret, secretHash } from './secrets.ts';
import { checkUnchanged, UserStore, type UserChange, type UserRecord } from './user-store.ts';

const secretBytes = 20;
const periodSeconds = 30;
/** Steps of the clock to either side that are taken. */
const window = 1;

/** The second factor. */
@Injectable()
export class SecondFactorService {
  readonly #environment: Environment;
  readonly #users: UserStore;
  readonly #audit: AuditService;
  readonly #mutex = new KeyedMutex();

  constructor(environment: Environment, users: UserStore, audit: AuditService) {
    this.#environment = environment;
    this.#users = users;
    this.#audit = audit;
  }

  /** Make a secret; until a code confirms it nothing changes. */
  enrol(user: string): Promise<{ readonly secret: string; readonly uri: string }> {
    return this.#mutex.run(user, async () => {
      checkAbsent(await this.#users.get(user));
      const secret = randomBytes(secretBytes);
      const { wrappingKey } = this.#environment.keys;
      const wrappedTotpSecret = wrapSecret({ secret, wrappingKey, purpose: purposeOf(user) });
      await this.#users.note(user, { wrappedTotpSecret, totpLastStep: null });
      const totp = authenticator(user, secret);
      return { secret: totp.secret.base32, uri: totp.toString() };
    });
  }

  /**
   * Confirm the secret by a code of it, and make recovery codes.
   *
   * @throws InputError REQUEST_INVALID for a code that is none
   */
  confirm(user: string, code: string): Promise<readonly string[]> {
    return this.#mutex.run(user, async () => {
      const record = await this.#users.get(user);
      checkAbsent(record);
      const step = this.#stepOf(record, code);
      if (step === null) throw wrongCode();
      const { recoveryCodes, recoveryCodeHashes } = makeRecoveryCodes();
      const noted = { isTotpConfirmed: true, totpLastStep: step, recoveryCodeHashes };
      await this.#noteAndRecord(user, 'user.second-factor-set', noted);
      return recoveryCodes;
    });
  }

  /** Tell whether a code of the authenticator or a recovery code is right; either is taken once. */
  check(user: string, code: string): Promise<boolean> {
    return this.#mutex.run(user, async () => {
      const record = await this.#users.find(user);
      if (record?.isTotpConfirmed !== true) return false;
      const step = this.#stepOf(record, code);
      if (step !== null) {
        await this.#users.note(user, { totpLastStep: step });
        return true;
      }
      const used = recoveryHash(code);
      const recoveryCodeHashes = record.recoveryCodeHashes.filter((hash) => hash !== used);
      if (recoveryCodeHashes.length === record.recoveryCodeHashes.length) return false;
      await this.#noteAndRecord(user, 'user.recovery-code-used', { recoveryCodeHashes });
      return true;
    });
  }

  /**
   * Make new recovery codes in place of those that are left, for whom `allowed` let do it.
   *
   * @throws StateError STATE_CONFLICT where the account is another by now
   */
  renewRecoveryCodes(allowed: UserRecord): Promise<readonly string[]> {
    return this.#mutex.run(allowed.user, async () => {
      const { recoveryCodes, recoveryCodeHashes } = makeRecoveryCodes();
      const noted = { recoveryCodeHashes };
      await this.#noteAndRecord(allowed.user, 'user.recovery-codes-made', noted, allowed);
      return recoveryCodes;
    });
  }

  /**
   * Remove one's own second factor, for whom `allowed` let do it.
   *
   * @throws StateError STATE_CONFLICT where the account is another by now
   */
  remove(allowed: UserRecord): Promise<void> {
    const action = 'user.second-factor-removed';
    return this.#mutex.run(allowed.user, () =>
      this.#noteAndRecord(allowed.user, action, withoutSecondFactor, allowed),
    );
  }

  /** The time step of a code that is right now and later than the last one that was taken; null otherwise. */
  #stepOf({ user, wrappedTotpSecret, totpLastStep }: UserRecord, code: string): number | null {
    if (wrappedTotpSecret === null) return null;
    const { keys, clock } = this.#environment;
    const { wrappingKey } = keys;
    const wrapped = wrappedTotpSecret;
    const secret = unwrapSecret({ wrapped, wrappingKey, purpose: purposeOf(user) });
    const timestamp = clock.wallTimeMs();
    const totp = authenticator(user, secret);
    const delta = totp.validate({ token: code.replace(/\s/g, ''), timestamp, window });
    if (delta === null) return null;
    const step = Math.floor(timestamp / 1000 / periodSeconds) + delta;
    return totpLastStep !== null && step <= totpLastStep ? null : step;
  }

  async #noteAndRecord(
    user: string,
    action: string,
    noted: UserChange,
    allowed?: UserRecord,
  ): Promise<void> {
    await this.#environment.transactions.run(async (transaction) => {
      await this.#users.note(user, noted, transaction);
      // Looked at after the row is written: until the transaction ends nobody else can change it.
      if (allowed !== undefined) checkUnchanged(allowed, await this.#users.find(user, transaction));
      const record = { actor: `user:${user}`, action, target: `user:${user}` };
      await this.#audit.append(transaction, record);
    });
  }
}

/** An account without a second factor. */
export const withoutSecondFactor = {
  wrappedTotpSecret: null,
  isTotpConfirmed: false,
  totpLastStep: null,
  recoveryCodeHashes: [],
} satisfies UserChange;

const purposeOf = (user: string): string => `second-factor/${user}`;

function authenticator(user: string, secret: Uint8Array): TOTP {
  return new TOTP({
    issuer: 'MeLo Federation',
    label: user,
    algorithm: 'SHA1',
    digits: 6,
    period: periodSeconds,
    secret: new Secret({ buffer: new Uint8Array(secret).buffer }),
  });
}

function makeRecoveryCodes() {
  const recoveryCodes = Array.from({ length: recoveryCodesCount }, newReadableSecret);
  return { recoveryCodes, recoveryCodeHashes: recoveryCodes.map(recoveryHash) };
}

/** However a person types it. */
function recoveryHash(code: string): string {
  return secretHash('recovery-code', code.toLowerCase().replace(/[^0-9a-z]/g, ''));
}

function checkAbsent({ user, isTotpConfirmed, passwordHash }: UserRecord): void {
  if (passwordHash === null) {
    throw new StateError(
      'STATE_CONFLICT',
      `second factor: expected an account with a password, ${user} signs in elsewhere; set it up there`,
    );
  }
  if (!isTotpConfirmed) return;
  throw new StateError(
    'STATE_CONFLICT',
    `second factor: expected none, ${user} has one; remove it first`,
  );
}

/** A code that is wrong, late, or was taken before. */
export function wrongCode(): InputError {
  return new InputError(
    'REQUEST_INVALID',
    'second factor: expected the code that the authenticator shows now, got another or one that was used; wait for the next',
  );
}
