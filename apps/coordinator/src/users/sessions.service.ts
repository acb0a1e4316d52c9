/**
 * Sessions of browsers: kept in memory by hash, ended after 15 minutes without a person's doing and after 12 hours in any
 * case. A restart signs everybody out, which costs a sign-in and nothing else.
 */
import { Injectable } from '@nestjs/common';
import type { Role } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { newSecret, secretHash } from './secrets.ts';

/** Milliseconds without a person's doing after which a session ends. */
export const sessionIdleMs = 15 * 60_000;
/** Milliseconds after which a session ends in any case. */
export const sessionLifetimeMs = 12 * 3_600_000;
/** Sessions kept at most; the oldest gives way. */
const sessionsMax = 1000;

/** Whose token a session stands for. */
export interface Grant {
  readonly tokenHash: string;
  readonly role: Role;
}

/** One session. */
export interface Session extends Grant {
  /** Hash of its secret: its name in here. */
  readonly id: string;
  /** Wall time of its end at the latest. */
  readonly expiresAtMs: number;
}

interface Entry {
  readonly session: Session;
  readonly endMs: number;
  idleEndMs: number;
}

/** Sessions of browsers. */
@Injectable()
export class SessionsService {
  readonly #environment: Environment;
  /** In order of making. */
  readonly #entries = new Map<string, Entry>();
  readonly #endListeners = new Set<(id: string) => void>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Begin a session and return its secret, which is kept nowhere. */
  begin(grant: Grant): { readonly secret: string; readonly session: Session } {
    const { clock } = this.#environment;
    this.#forgetEnded();
    const secret = newSecret();
    const id = secretHash('session', secret);
    const nowMs = clock.monotonicTimeMs();
    const expiresAtMs = clock.wallTimeMs() + sessionLifetimeMs;
    const session = { ...grant, id, expiresAtMs };
    const endMs = nowMs + sessionLifetimeMs;
    this.#entries.set(id, { session, endMs, idleEndMs: nowMs + sessionIdleMs });
    return { secret, session };
  }

  /** Find a session that has not ended; `isActivity` says that a person did something just now. */
  find(secret: string, isActivity: boolean): Session | undefined {
    const id = secretHash('session', secret);
    if (!this.isAlive(id)) return undefined;
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    if (isActivity) entry.idleEndMs = this.#environment.clock.monotonicTimeMs() + sessionIdleMs;
    return entry.session;
  }

  isAlive(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    const nowMs = this.#environment.clock.monotonicTimeMs();
    if (nowMs < entry.endMs && nowMs < entry.idleEndMs) return true;
    this.end(id);
    return false;
  }

  /** End a session at once. */
  end(id: string): void {
    if (!this.#entries.delete(id)) return;
    for (const listener of this.#endListeners) listener(id);
  }

  /** Hear of every session that ends. */
  onEnd(listener: (id: string) => void): void {
    this.#endListeners.add(listener);
  }

  #forgetEnded(): void {
    for (const id of this.#entries.keys()) this.isAlive(id);
    for (const id of this.#entries.keys()) {
      if (this.#entries.size < sessionsMax) return;
      this.end(id);
    }
  }
}
