/**
 * Sessions of browsers: kept in memory by hash, ended after 15 minutes without a person's doing and after 12 hours in any
 * case. A restart signs everybody out, which costs a sign-in and nothing else.
 */
import { Injectable } from '@nestjs/common';
import { Environment } from '../common/environment.ts';
import { holderOf, type Credential } from './credential.ts';
import { newSecret, secretHash } from './secrets.ts';

/** Milliseconds without a person's doing after which a session ends. */
export const sessionIdleMs = 15 * 60_000;
/** Milliseconds after which a session ends in any case. */
export const sessionLifetimeMs = 12 * 3_600_000;
/** Sessions kept at most; the oldest gives way. */
const sessionsMax = 1000;

/** One session. */
export interface Session {
  /** Hash of its secret: its name in here. */
  readonly id: string;
  /** What it stands for; what that allows is asked anew with every request. */
  readonly credential: Credential;
  /** Wall time of its beginning. */
  readonly begunAtMs: number;
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
  readonly #holderListeners = new Set<(holder: string) => void>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Begin a session and return its secret, which is kept nowhere. */
  begin(credential: Credential): { readonly secret: string; readonly session: Session } {
    const { clock } = this.#environment;
    this.#forgetEnded();
    const secret = newSecret();
    const id = secretHash('session', secret);
    const nowMs = clock.monotonicTimeMs();
    const begunAtMs = clock.wallTimeMs();
    const session = { id, credential, begunAtMs, expiresAtMs: begunAtMs + sessionLifetimeMs };
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

  /** Sessions of one holder that have not ended, the newest first. */
  list(holder: string): readonly Session[] {
    return [...this.#entries.values()]
      .map(({ session }) => session)
      .filter(({ id, credential }) => holderOf(credential) === holder && this.isAlive(id))
      .reverse();
  }

  /** End a session at once. */
  end(id: string): void {
    if (!this.#entries.delete(id)) return;
    for (const listener of this.#endListeners) listener(id);
  }

  /** End the session of a secret, where there is one. */
  endOf(secret: string): void {
    this.end(secretHash('session', secret));
  }

  /** End every session of a holder at once, and whatever else goes on in its name; returns how many sessions there were. */
  endAll(holder: string): number {
    const ended = this.list(holder);
    for (const { id } of ended) this.end(id);
    for (const listener of this.#holderListeners) listener(holder);
    return ended.length;
  }

  /** Hear of every session that ends. */
  onEnd(listener: (id: string) => void): void {
    this.#endListeners.add(listener);
  }

  /** Hear of every holder that may do nothing any more by what it has. */
  onHolderEnd(listener: (holder: string) => void): void {
    this.#holderListeners.add(listener);
  }

  #forgetEnded(): void {
    for (const id of this.#entries.keys()) this.isAlive(id);
    for (const id of this.#entries.keys()) {
      if (this.#entries.size < sessionsMax) return;
      this.end(id);
    }
  }
}
