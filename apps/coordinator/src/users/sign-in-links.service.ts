/**
 * Sign-in links: a secret in the fragment of an address of this machine, good once and for five minutes. The fragment is
 * not sent to any server and stands in no log; the page takes it out of the address at once.
 */
import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { AuthError } from '#core/errors';
import { Environment } from '../common/environment.ts';
import { isSecure } from './cookies.ts';
import { newSecret, secretHash } from './secrets.ts';
import type { Credential } from './credential.ts';
import { isThisMachine } from './this-machine.ts';

/** Milliseconds that a link can be used. */
export const linkLifetimeMs = 5 * 60_000;
/** Unused links kept at most; the oldest gives way. */
const linksMax = 100;

type LinkRequest = Pick<IncomingMessage, 'headers' | 'socket'>;

/** Sign-in links. */
@Injectable()
export class SignInLinksService {
  readonly #environment: Environment;
  /** Hash of the secret to what it stands for, in order of making. */
  readonly #links = new Map<string, { readonly credential: Credential; readonly endMs: number }>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /**
   * Make a link that signs its opener in as the caller.
   *
   * @throws AuthError FORBIDDEN from another machine
   */
  create(
    request: LinkRequest,
    credential: Credential,
  ): { readonly url: string; readonly expiresAtMs: number } {
    checkThisMachine(request);
    const { clock } = this.#environment;
    this.#forgetExpired();
    const secret = newSecret();
    const endMs = clock.monotonicTimeMs() + linkLifetimeMs;
    this.#links.set(secretHash('sign-in-link', secret), { credential, endMs });
    return {
      url: `${ownAddress(request)}/#signin=${secret}`,
      expiresAtMs: clock.wallTimeMs() + linkLifetimeMs,
    };
  }

  /**
   * Spend a link's secret and return what it stands for.
   *
   * @throws AuthError UNAUTHENTICATED where it is unknown, used or expired, FORBIDDEN from another machine
   */
  spend(request: LinkRequest, secret: string): Credential {
    checkThisMachine(request);
    const hash = secretHash('sign-in-link', secret);
    const link = this.#links.get(hash);
    this.#links.delete(hash);
    if (link !== undefined && link.endMs > this.#environment.clock.monotonicTimeMs()) {
      return link.credential;
    }
    throw new AuthError(
      'UNAUTHENTICATED',
      'sign-in: expected a link that is not older than five minutes and was not used, got another; make a new one',
    );
  }

  #forgetExpired(): void {
    const nowMs = this.#environment.clock.monotonicTimeMs();
    for (const [hash, { endMs }] of this.#links) {
      if (endMs > nowMs && this.#links.size < linksMax) return;
      this.#links.delete(hash);
    }
  }
}

function checkThisMachine(request: LinkRequest): void {
  if (isThisMachine(request)) return;
  throw new AuthError(
    'FORBIDDEN',
    "sign-in link: expected a request of the coordinator's own machine, got one of another; sign in with a token",
  );
}

/** The address under which this machine reached us. */
function ownAddress(request: LinkRequest): string {
  const { localAddress = '127.0.0.1', localPort } = request.socket;
  const plain = localAddress.replace(/^::ffff:/, '');
  const host = plain.includes(':') ? `[${plain}]` : plain;
  return `${isSecure(request) ? 'https' : 'http'}://${host}:${String(localPort)}`;
}
