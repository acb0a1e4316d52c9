/** The handshake: a fresh nonce, signed by the pinned coordinator, before every connection. */
import { fromHex, toHex, utf8 } from '#core/bytes';
import { fingerprint, randomBytes, signDomains, signHandshake, verifyPayload } from '#core/crypto';
import { AuthError } from '#core/errors';
import {
  decodePayload,
  nonceResponseSchema,
  nonceStatementSchema,
  protocolVersion,
  type NonceStatement,
  type SiteId,
  type SocketAuth,
} from '#core/protocol';
import { agentVersion } from '../common/agent-version.ts';
import { postJson, type HttpOptions } from './http.ts';

function keyMismatch(what: string): AuthError {
  return new AuthError(
    'COORDINATOR_KEY_MISMATCH',
    `coordinator: expected the one that was pinned, ${what}; do not go on before the administrator explains it`,
  );
}

/**
 * Ask for a nonce and check that it is fresh and the pinned coordinator's.
 *
 * @param pinnedFingerprint - BLAKE2b-256 of the coordinator's Ed25519 key, from the code or from enrolment
 * @throws AuthError COORDINATOR_KEY_MISMATCH, SIGNATURE_INVALID
 */
export async function fetchNonce(
  url: string,
  pinnedFingerprint: string,
  options: HttpOptions,
): Promise<NonceStatement> {
  const challenge = toHex(randomBytes(32));
  const address = `${url}/v1/handshake/nonce`;
  const answer = await postJson(address, { challenge }, nonceResponseSchema, options);
  const payload = new Uint8Array(Buffer.from(answer.statement.payload, 'base64'));
  const signature = new Uint8Array(Buffer.from(answer.statement.signature, 'base64'));
  // The statement names its key; it is believed only once that key is the pinned one and the signature is its own.
  const statement = decodePayload(nonceStatementSchema, payload, 'nonce statement');
  const publicKey = fromHex(statement.signingPublicKey);
  if (fingerprint(publicKey) !== pinnedFingerprint) throw keyMismatch('another key answered');
  verifyPayload(signDomains.nonce, { payload, signature }, publicKey);
  if (statement.challenge !== challenge) throw keyMismatch('it answered an older question');
  return statement;
}

/** What a connection proves itself with. */
export interface HandshakeIdentity {
  readonly federation: string;
  readonly site: SiteId;
  readonly signingSecretKey: Uint8Array;
  readonly coordinatorPublicKey: Uint8Array;
}

/** Sign one connection; the nonce in it is spent by the attempt, whatever comes of it. */
export function connectionAuth(identity: HandshakeIdentity, statement: NonceStatement): SocketAuth {
  if (statement.federation !== identity.federation)
    throw keyMismatch('it names another federation');
  const signature = signHandshake(
    {
      federation: identity.federation,
      site: identity.site,
      nonce: fromHex(statement.nonce),
      coordinatorPublicKey: identity.coordinatorPublicKey,
    },
    identity.signingSecretKey,
  );
  return {
    protocol: protocolVersion,
    agentVersion,
    site: identity.site,
    nonce: statement.nonce,
    signature: toHex(signature),
  };
}

/** How many bytes a JSON value takes in UTF-8, for counting what leaves. */
export const jsonBytes = (value: unknown): number => utf8(JSON.stringify(value)).length;
