/** From anything thrown to the problem that a caller sees (RFC 9457). */
import { errorCatalog, toPublicError } from '#core/errors';
import type { Problem } from './contract.ts';

/** Describe a failure to whoever asked. */
export function problemOf(error: unknown, correlationId: string): Problem {
  const { code, message, retryable } = toPublicError(error);
  const { httpStatus, publicMessage } = errorCatalog[code];
  return {
    type: `/v1/errors/${code}`,
    title: publicMessage,
    status: httpStatus,
    detail: message,
    instance: `urn:uuid:${correlationId}`,
    code,
    retryable,
    correlationId,
    message,
  };
}
