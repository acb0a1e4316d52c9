/** One identity provider over OpenID Connect: found by its own description, asked by authorization code with PKCE. */
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  discovery,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  type Configuration,
} from 'openid-client';
import { AuthError, UnavailableError } from '#core/errors';
import type { SignInProvider } from './providers.ts';

const timeoutSeconds = 10;

/** What was sent along with a browser and must come back. */
export interface SentAlong {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** Whom a provider vouches for. */
export interface Subject {
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** How somebody signed in there, as the ID token says: what else is asked for is not signed. */
  readonly acr: unknown;
}

/** One identity provider. */
export class OidcClient {
  readonly provider: SignInProvider;
  #configuration: Promise<Configuration> | null = null;

  constructor(provider: SignInProvider) {
    this.provider = provider;
  }

  /**
   * Where to send a browser.
   *
   * @throws UnavailableError IDENTITY_PROVIDER_UNREACHABLE
   */
  async begin(redirectUri: string): Promise<{ readonly url: string; readonly sent: SentAlong }> {
    const configuration = await this.#find();
    const codeVerifier = randomPKCECodeVerifier();
    const sent = { state: randomState(), nonce: randomNonce(), codeVerifier };
    const { acrValues } = this.provider;
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: this.provider.scopes,
      state: sent.state,
      nonce: sent.nonce,
      code_challenge: await calculatePKCECodeChallenge(codeVerifier),
      code_challenge_method: 'S256',
      ...(acrValues === undefined ? {} : { acr_values: acrValues.join(' ') }),
    });
    return { url: url.href, sent };
  }

  /**
   * Whom the provider vouches for, by the address that a browser came back to.
   *
   * @throws AuthError UNAUTHENTICATED where anything does not fit what was sent, SECOND_FACTOR_REQUIRED where somebody signed in
   * there in another way than is asked for
   */
  async finish(returned: URL, sent: SentAlong): Promise<Subject> {
    const subject = await this.#redeem(returned, sent);
    const { acrValues, provider } = this.provider;
    if (acrValues?.some((value) => value === subject.acr) !== false) return subject;
    throw new AuthError(
      'SECOND_FACTOR_REQUIRED',
      `sign-in by ${provider}: expected it to vouch for acr ${acrValues.join(' or ')}, got ${typeof subject.acr === 'string' ? 'another' : 'none'}; sign in there with a second factor and begin again`,
    );
  }

  /** Redeem the code of an answer; what the ID token says stands before what is asked for afterwards. */
  async #redeem(returned: URL, sent: SentAlong): Promise<Subject> {
    const configuration = await this.#find();
    try {
      const tokens = await authorizationCodeGrant(configuration, returned, {
        pkceCodeVerifier: sent.codeVerifier,
        expectedState: sent.state,
        expectedNonce: sent.nonce,
        idTokenExpected: true,
      });
      const stated = tokens.claims();
      const [subject, acr] = [stated?.sub ?? '', stated?.acr];
      const { roleClaim, nameClaim } = this.provider;
      // Either may come from userinfo alone (OpenID Connect Core 1.0, 5.4).
      const isComplete = [roleClaim, nameClaim].every((claim) => stated?.[claim] !== undefined);
      const { userinfo_endpoint: more } = configuration.serverMetadata();
      if (isComplete || more === undefined) return { subject, acr, claims: { ...stated } };
      const told = await fetchUserInfo(configuration, tokens.access_token, subject);
      return { subject, acr, claims: { ...told, ...stated } };
    } catch (cause) {
      throw new AuthError(
        'UNAUTHENTICATED',
        `sign-in by ${this.provider.provider}: expected the answer to what was asked, got another; begin again`,
        {},
        { cause },
      );
    }
  }

  /** The provider's own description, asked once; a failure is forgotten. */
  async #find(): Promise<Configuration> {
    const { issuer, clientId, clientSecret } = this.provider;
    this.#configuration ??= discovery(
      new URL(issuer),
      clientId,
      clientSecret ?? undefined,
      clientSecret === null ? None() : ClientSecretBasic(clientSecret),
      {
        timeout: timeoutSeconds,
        // On this machine alone: the file of providers takes no other http address.
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so that it stands out
        execute: new URL(issuer).protocol === 'http:' ? [allowInsecureRequests] : [],
      },
    );
    try {
      return await this.#configuration;
    } catch (cause) {
      this.#configuration = null;
      throw new UnavailableError(
        'IDENTITY_PROVIDER_UNREACHABLE',
        `sign-in by ${this.provider.provider}: expected the description of ${issuer}, it does not come; check the address and the way there`,
        {},
        { cause },
      );
    }
  }
}
