/** Enrolment: from a one-time code to a pinned coordinator and a pending site. */
import { fromHex, toHex } from '#core/bytes';
import { parseEnrollmentCode, proveEnrollment } from '#core/crypto';
import { ProtocolError, StateError } from '#core/errors';
import { enrollmentResponseSchema, protocolVersion } from '#core/protocol';
import { agentVersion } from '../common/agent-version.ts';
import { fetchNonce } from '../transport/handshake.ts';
import { checkCoordinatorUrl, postJson } from '../transport/http.ts';
import type { NetworkOptions } from '../transport/network.ts';
import { ensureSiteKeys, loadCoordinator, storeCoordinator } from './identity.ts';

/** What a person compares on both screens. */
export interface EnrollmentSummary {
  readonly site: string;
  readonly status: 'pending' | 'active';
  readonly fingerprint: string;
  readonly url: string;
}

/**
 * Enrol this site with the code the administrator gave.
 *
 * @throws InputError ENROLLMENT_CODE_MALFORMED, StateError ALREADY_ENROLLED, AuthError COORDINATOR_KEY_MISMATCH, or
 *   RefusedError with the coordinator's code
 */
export async function enrollSite(
  options: NetworkOptions & {
    readonly dataDirectory: string;
    readonly code: string;
    readonly timeoutMs: number;
  },
): Promise<EnrollmentSummary> {
  const code = parseEnrollmentCode(options.code);
  const url = checkCoordinatorUrl(code.url);
  const pinned = await loadCoordinator(options.dataDirectory);
  if (pinned !== null) {
    throw new StateError(
      'ALREADY_ENROLLED',
      `${options.dataDirectory}: expected a site that is not enrolled, it is ${pinned.site} at ${pinned.url}; use another dataDirectory for another enrolment`,
      { site: pinned.site },
    );
  }
  const keys = await ensureSiteKeys(options.dataDirectory);
  const statement = await fetchNonce(url, code.coordinatorFingerprint, options);
  const proof = proveEnrollment({
    context: {
      federation: statement.federation,
      secret: code.secret,
      nonce: fromHex(statement.nonce),
      signingPublicKey: keys.signing.publicKey,
      agreementPublicKey: keys.agreement.publicKey,
    },
    signing: keys.signing,
    agreement: keys.agreement,
    coordinatorAgreementPublicKey: fromHex(statement.agreementPublicKey),
  });
  const answer = await postJson(
    `${url}/v1/enrollments`,
    {
      protocol: protocolVersion,
      agentVersion,
      secret: toHex(code.secret),
      nonce: statement.nonce,
      signingPublicKey: toHex(keys.signing.publicKey),
      agreementPublicKey: toHex(keys.agreement.publicKey),
      signature: toHex(proof.signature),
      mac: toHex(proof.mac),
    },
    enrollmentResponseSchema,
    options,
  );
  if (answer.fingerprint !== keys.fingerprint || answer.federation !== statement.federation) {
    throw new ProtocolError(
      'MESSAGE_INVALID',
      "enrolment: expected this site's own fingerprint and federation back, others came; tell the administrator before approving",
    );
  }
  await storeCoordinator(options.dataDirectory, {
    version: 1,
    url,
    federation: answer.federation,
    site: answer.site,
    signingPublicKey: statement.signingPublicKey,
    agreementPublicKey: statement.agreementPublicKey,
  });
  return { site: answer.site, status: answer.status, fingerprint: keys.fingerprint, url };
}
