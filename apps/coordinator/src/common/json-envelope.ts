/** Signed envelopes in JSON: both parts in base64. */

/** Write an envelope for JSON; null where it is not there yet. */
export function toJsonEnvelope(
  payload: Uint8Array | null,
  signature: Uint8Array | null,
): { payload: string; signature: string } | null {
  if (payload === null || signature === null) return null;
  return toJson({ payload, signature });
}

/** Write an envelope for JSON. */
export function toJson(envelope: {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}): { payload: string; signature: string } {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return { payload: base64(envelope.payload), signature: base64(envelope.signature) };
}
