/** People with an account for specs, as browsers that are signed in. */
import { newPasswordSchema } from '../users/accounts.contract.ts';
import type { Harness } from './harness.ts';

/** The password of everybody here. */
export const phrase = 'correct horse battery staple';

/** The session's cookie as a browser sends it back. */
export function cookieOf(response: Response): string {
  return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

/** Browsers at one coordinator. */
export class People {
  readonly #harness: Harness;

  constructor(harness: Harness) {
    this.#harness = harness;
  }

  /** Call as our page in a browser would. */
  browse(
    method: string,
    path: string,
    cookie = '',
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(`${this.#harness.coordinator.url}${path}`, {
      method,
      headers: {
        'sec-fetch-site': 'same-origin',
        'content-type': 'application/json',
        cookie,
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  signIn(user: string, password: string, rest: object = {}): Promise<Response> {
    return this.browse('POST', '/v1/sessions', '', { user, password, ...rest });
  }

  async create(user: string, role = 'viewer', rest: object = {}) {
    const made = await this.#harness.request('POST', '/v1/users', { user, role, ...rest });
    return newPasswordSchema.parse(made);
  }

  /** Make an account with a password of its own, and return the cookie of its session. */
  async join(user: string, role = 'viewer', rest: object = {}): Promise<string> {
    const { temporaryPassword } = await this.create(user, role, rest);
    const first = await this.signIn(user, temporaryPassword ?? '');
    const changed = await this.browse('POST', '/v1/account/password', cookieOf(first), {
      currentPassword: temporaryPassword,
      newPassword: phrase,
    });
    if (!changed.ok) throw new Error(`join ${user}: ${changed.status} ${await changed.text()}`);
    return cookieOf(changed);
  }
}
