/**
 * Passwords as they are kept: Argon2id with the parameters that OWASP advises (19 MiB, two passes, one lane). Each takes
 * memory and time, so few are worked on at once and few may wait.
 */
import { Injectable } from '@nestjs/common';
import { hash, verify } from '@node-rs/argon2';
import { InputError, ProtocolError } from '#core/errors';
import { Environment } from '../common/environment.ts';
import { isBreached } from './breached-passwords.ts';
import { checkNewPassword } from './password-rules.ts';

const options = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Worked on at once, and waiting for that, at most. */
const runningMax = 2;
const waitingMax = 32;
/** Of a password that nobody knows, with the same parameters: who has no account costs the same work. */
const nobodysHash =
  '$argon2id$v=19$m=19456,t=2,p=1$oYXCduig4yXrdZnhkuNbgg$4m9ojRAOB/wuSDCs6m4fGi0YGwqA3JMbhbqdgIJHzLM';

/** Passwords as they are kept. */
@Injectable()
export class PasswordsService {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #breachedPasswordsFile: string | null;

  constructor({ settings }: Environment) {
    this.#breachedPasswordsFile = settings.breachedPasswordsFile;
  }

  /**
   * Check the new password of an account and hash it for keeping.
   *
   * @throws InputError PASSWORD_REFUSED with the reason, UnavailableError STORE_UNAVAILABLE
   */
  async hashNew(password: string, user: string): Promise<string> {
    checkNewPassword(password, user);
    const file = this.#breachedPasswordsFile;
    if (file !== null && (await isBreached(file, password))) {
      throw new InputError(
        'PASSWORD_REFUSED',
        'password: expected one that no breach has made known, got one of those; a phrase of four words does',
      );
    }
    return this.hash(password);
  }

  /** Hash a password for keeping, as a PHC string. */
  hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(password, options));
  }

  /** Tell whether a password is the one behind a hash; without a hash it never is, after the same work. */
  async verify(passwordHash: string | null, password: string): Promise<boolean> {
    const isRight = await this.#inTurn(() => verify(passwordHash ?? nobodysHash, password));
    return isRight && passwordHash !== null;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= runningMax) await this.#turn();
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= waitingMax) {
      throw new ProtocolError(
        'RATE_LIMITED',
        `sign-in: expected at most ${waitingMax} people at once, got more; try again in a moment`,
      );
    }
    return new Promise((go) => {
      this.#waiting.push(go);
    });
  }
}
